# SPDX-License-Identifier: Apache-2.0
"""Pod: the resize subresource changes CPU and memory of containers, and nothing else."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors, forbidden, invalid
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import look
from pybernetes.apis.core.pod.podlevel import default_pod_level
from pybernetes.apis.core.pod.requests import qos_class
from pybernetes.apis.core.pod.validation import validate_spec

_LISTS = ("containers", "initContainers")
_TAKEN = ("resources", "resizePolicy")


def prepare_resize(new: Object, old: Object) -> None:
    """Take resources and resize policies from `new`, everything else from `old`."""
    spec, was = new["spec"], old["spec"]
    if any(_names(spec, field) != _names(was, field) for field in _LISTS):
        return  # validation refuses it
    merged = dict(was)
    for field in _LISTS:
        if was.get(field):
            merged[field] = [_merge(*pair) for pair in zip(spec[field], was[field], strict=True)]
    own = spec.get("resources")
    if own is None:
        own = was.get("resources")
    if own is not None:
        merged["resources"] = own
        default_pod_level(merged)
    new["spec"] = merged
    new["status"] = old.get("status") or {}


def _names(spec: Object, field: str) -> list[str]:
    return [container.get("name") or "" for container in spec.get(field) or ()]


def _merge(new: Object, old: Object) -> Object:
    merged = {key: value for key, value in old.items() if key not in _TAKEN}
    return {**merged, **{key: new[key] for key in _TAKEN if key in new}}


def validate_resize(new: Object, old: Object) -> Errors:
    """The findings of PUT pods/NAME/resize, after prepare_resize."""
    if "kubernetes.io/config.mirror" in meta.annotations(old):
        return [forbidden("", "static pods cannot be resized")]
    if look(old, "spec", "os", "name") == "windows":
        return [forbidden("", "windows pods cannot be resized")]
    errors = validate_spec(new)
    before = look(old, "status", "qosClass") or qos_class(old)
    if before != qos_class(new):
        text = "Pod QOS Class may not change as a result of resizing"
        errors.append(invalid("spec", before, text))
    if not _ordering(new["spec"], old["spec"], errors):
        return errors
    for field in _LISTS:
        pairs = zip(new["spec"].get(field) or (), old["spec"].get(field) or (), strict=True)
        for number, (container, was) in enumerate(pairs):
            _container(container, was, f"spec.{field}[{number}]", errors)
    return errors


def _ordering(spec: Object, was: Object, errors: Errors) -> bool:
    found = len(errors)
    for field in _LISTS:
        now, before = _names(spec, field), _names(was, field)
        if len(now) != len(before):
            text = f"{field} may not be added or removed on resize"
            errors.append(forbidden(f"spec.{field}", text))
            continue
        for number, name in enumerate(before):
            if now[number] != name:
                text = f"{field} may not be renamed or reordered on resize"
                errors.append(forbidden(f"spec.{field}[{number}].name", text))
    return len(errors) == found


def _container(new: Object, old: Object, at: str, errors: Errors) -> None:
    now, before = new.get("resources") or {}, old.get("resources") or {}
    for kind in ("requests", "limits"):
        gone = [name for name in before.get(kind) or () if name not in (now.get(kind) or ())]
        if gone:
            text = f"resource {kind} cannot be removed"
            errors.append(forbidden(f"{at}.resources.{kind}", text))
        if _others(now.get(kind)) != _others(before.get(kind)):
            text = "only cpu and memory resources are mutable"
            errors.append(forbidden("spec", text))
            return


def _others(amounts: Object | None) -> Object:
    return {name: text for name, text in (amounts or {}).items() if name not in {"cpu", "memory"}}
