# SPDX-License-Identifier: Apache-2.0
"""Pod: what is wrong with a new one, in upstream's paths and words."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors, forbidden, invalid, not_supported, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.podspec.validation import validate_pod_spec
from pybernetes.apis.validation.meta import NEGATIVE
from pybernetes.apis.validation.names import dns1123_subdomain


def validate_pod(pod: Object) -> Errors:
    errors = validate_spec(pod)
    spec = pod["spec"]
    if spec.get("ephemeralContainers"):
        errors.append(forbidden("spec.ephemeralContainers", "cannot be set on create"))
    if spec.get("nodeName") and spec.get("schedulingGates"):
        text = "cannot be set until all schedulingGates have been cleared"
        errors.append(forbidden("spec.nodeName", text))
    return errors


def validate_spec(pod: Object) -> Errors:
    """What holds on create and on every kind of update."""
    errors: Errors = []
    spec = pod["spec"]
    validate_pod_spec(spec, "spec", errors, pod_name=meta.name(pod), is_pod=True)
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        seconds = spec["terminationGracePeriodSeconds"]
        errors.append(invalid("spec.terminationGracePeriodSeconds", seconds, NEGATIVE))
    if spec.get("volumes") and not spec.get("serviceAccountName"):
        _tokens(spec["volumes"], errors)
    for field in ("containers", "initContainers", "ephemeralContainers"):
        for number, container in enumerate(spec.get(field) or ()):
            image = container.get("image") or ""
            if image != image.strip():
                text = "must not have leading or trailing whitespace"
                errors.append(invalid(f"spec.{field}[{number}].image", image, text))
    return errors


def _tokens(volumes: list[Object], errors: Errors) -> None:
    for number, volume in enumerate(volumes):
        for index, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
            if source.get("serviceAccountToken") is not None:
                at = f"spec.volumes[{number}].projected.sources[{index}].serviceAccountToken"
                text = "must not be specified when serviceAccountName is not set"
                errors.append(forbidden(at, text))


def validate_binding(binding: Object) -> Errors:
    """The findings in a Binding, as the binding subresource of pods takes it."""
    errors: Errors = []
    target = binding.get("target") or {}
    kind, name = target.get("kind") or "", target.get("name") or ""
    if kind not in {"", "Node"}:
        errors.append(not_supported("target.kind", kind, ["Node", "<empty>"]))
    if not name:
        errors.append(required("target.name"))
    elif kind in {"", "Node"}:
        errors.extend(invalid("target.name", name, text) for text in dns1123_subdomain(name))
    return errors
