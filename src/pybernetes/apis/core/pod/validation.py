# SPDX-License-Identifier: Apache-2.0
"""Pod: what is wrong with one, beyond the rows of data/rules.txt, in upstream's paths and words."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.apis import rules
from pybernetes.apis.core.podspec.defaults import CONTAINER_LISTS
from pybernetes.apis.core.podspec.volumes import validate_own_claims
from pybernetes.apis.validation.part import Part


def checked(pod: Object) -> Part:
    """The spec, with all findings that do not depend on what the pod was."""
    part = Part(pod)
    rules.of("io.k8s.api.core.v1.Pod").check(part, without="status")
    validate_pod(part)
    return part.child("spec")


def validate_new(pod: Part) -> None:
    spec = pod.child("spec")
    if spec.get("ephemeralContainers"):
        spec.forbidden("ephemeralContainers", "cannot be set on create")
    if spec.get("nodeName") and spec.get("schedulingGates"):
        spec.forbidden("nodeName", "cannot be set until all schedulingGates have been cleared")


def validate_pod(pod: Part) -> None:
    """What holds on create and on every kind of update, and not for templates."""
    spec = pod.child("spec")
    spec.counts("terminationGracePeriodSeconds")
    if spec.get("volumes"):
        validate_own_claims(spec, meta.name(pod.obj))
        if not spec.get("serviceAccountName"):
            _tokens(spec)
    for field in CONTAINER_LISTS:
        for number, container in enumerate(spec.get(field) or ()):
            image = container.get("image") or ""
            if image != image.strip():
                text = "must not have leading or trailing whitespace"
                spec.invalid(f"{field}[{number}].image", image, text)


def _tokens(spec: Part) -> None:
    for volume in spec.each("volumes"):
        for source in volume.child("projected").each("sources"):
            if source.get("serviceAccountToken") is not None:
                text = "must not be specified when serviceAccountName is not set"
                source.forbidden("serviceAccountToken", text)
