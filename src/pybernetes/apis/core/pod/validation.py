# SPDX-License-Identifier: Apache-2.0
"""Pod: what is wrong with a new one, in upstream's paths and words."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.podspec.validation import validate_pod_spec
from pybernetes.apis.validation.part import Part


def validate_pod(pod: Object) -> Errors:
    spec = validate_spec(pod)
    if spec.get("ephemeralContainers"):
        spec.forbidden("ephemeralContainers", "cannot be set on create")
    if spec.get("nodeName") and spec.get("schedulingGates"):
        spec.forbidden("nodeName", "cannot be set until all schedulingGates have been cleared")
    return spec.errors


def validate_spec(pod: Object) -> Part:
    """What holds on create and on every kind of update: the spec, with its findings."""
    spec = Part(pod).child("spec")
    validate_pod_spec(spec, pod_name=meta.name(pod), is_pod=True)
    spec.counts("terminationGracePeriodSeconds")
    if spec.get("volumes") and not spec.get("serviceAccountName"):
        _tokens(spec)
    for field in ("containers", "initContainers", "ephemeralContainers"):
        for number, container in enumerate(spec.get(field) or ()):
            image = container.get("image") or ""
            if image != image.strip():
                text = "must not have leading or trailing whitespace"
                spec.invalid(f"{field}[{number}].image", image, text)
    return spec


def _tokens(spec: Part) -> None:
    for volume in spec.each("volumes"):
        for source in volume.child("projected").each("sources"):
            if source.get("serviceAccountToken") is not None:
                text = "must not be specified when serviceAccountName is not set"
                source.forbidden("serviceAccountToken", text)
