# SPDX-License-Identifier: Apache-2.0
"""Pod: the resize subresource changes CPU and memory of containers, and nothing else."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors, forbidden
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import look
from pybernetes.apis.core.pod.requests import default_pod_level, qos_class
from pybernetes.apis.core.pod.validation import checked
from pybernetes.apis.validation.part import Part

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
    spec, was = checked(new), old["spec"]
    before = look(old, "status", "qosClass") or qos_class(old)
    if before != qos_class(new):
        spec.invalid("", before, "Pod QOS Class may not change as a result of resizing")
    if _ordering(spec, was):
        for field in _LISTS:
            for container, kept in zip(spec.each(field), was.get(field) or (), strict=True):
                _container(spec, container, kept.get("resources") or {})
    return spec.errors


def _ordering(spec: Part, was: Object) -> bool:
    found = len(spec.errors)
    for field in _LISTS:
        now, before = _names(spec.obj, field), _names(was, field)
        if len(now) != len(before):
            spec.forbidden(field, f"{field} may not be added or removed on resize")
            continue
        for number, name in enumerate(before):
            if now[number] != name:
                text = f"{field} may not be renamed or reordered on resize"
                spec.forbidden(f"{field}[{number}].name", text)
    return len(spec.errors) == found


def _container(spec: Part, container: Part, before: Object) -> None:
    resources = container.child("resources")
    for kind in ("requests", "limits"):
        now, was = resources.get(kind) or {}, before.get(kind) or {}
        if any(name not in now for name in was):
            resources.forbidden(kind, f"resource {kind} cannot be removed")
        if _others(now) != _others(was):
            spec.forbidden("", "only cpu and memory resources are mutable")
            return


def _others(amounts: Object) -> Object:
    return {name: text for name, text in amounts.items() if name not in {"cpu", "memory"}}
