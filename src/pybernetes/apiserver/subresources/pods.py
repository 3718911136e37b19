# SPDX-License-Identifier: Apache-2.0
"""pods/ephemeralcontainers: containers added to a running pod, never changed or removed."""

from pybernetes.apimachinery import field
from pybernetes.apimachinery.field import Errors, Path
from pybernetes.apimachinery.types import Object

_MIRROR = "kubernetes.io/config.mirror"
_EPHEMERAL = Path("spec.ephemeralContainers")


def _with_spec(new: Object, old: Object, spec: Object) -> Object:
    """`old` with another spec; of new's metadata only managedFields counts."""
    managed = new["metadata"].get("managedFields")
    metadata = {k: v for k, v in old["metadata"].items() if k != "managedFields"}
    if managed:
        metadata["managedFields"] = managed
    return {**old, "metadata": metadata, "spec": spec}


def add_ephemeral(new: Object, old: Object) -> Object:
    spec = dict(old["spec"])
    wanted = (new.get("spec") or {}).get("ephemeralContainers")
    spec.pop("ephemeralContainers", None)
    if wanted:
        spec["ephemeralContainers"] = wanted
    return _with_spec(new, old, spec)


def check_ephemeral(new: Object, old: Object) -> Errors:
    if _MIRROR in (old["metadata"].get("annotations") or {}):
        return [field.forbidden(Path(), "static pods do not support ephemeral containers")]
    errors: Errors = []
    present = {c.get("name"): c for c in new["spec"].get("ephemeralContainers") or ()}
    for container in old["spec"].get("ephemeralContainers") or ():
        name = field.show(container["name"])
        if container["name"] not in present:
            detail = f"existing ephemeral containers {name} may not be removed\n"
            errors.append(field.forbidden(_EPHEMERAL, detail))
        elif present[container["name"]] != container:
            detail = f"existing ephemeral containers {name} may not be changed\n"
            errors.append(field.forbidden(_EPHEMERAL, detail))
    others = [*old["spec"].get("containers", ()), *(old["spec"].get("initContainers") or ())]
    taken = {container["name"] for container in others}
    for index, container in enumerate(new["spec"].get("ephemeralContainers") or ()):
        if not container.get("image"):
            errors.append(field.required(_EPHEMERAL.index(index).child("image")))
        if container.get("name") in taken:
            path = _EPHEMERAL.index(index).child("name")
            errors.append(field.duplicate(path, container["name"]))
        taken.add(container.get("name", ""))
    return errors
