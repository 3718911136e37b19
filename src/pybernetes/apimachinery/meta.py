# SPDX-License-Identifier: Apache-2.0
"""Questions everyone asks of an object's metadata. Nothing here changes its argument."""

from collections.abc import Iterable

from pybernetes.apimachinery.types import Object, User

_EMPTY: Object = {}


def metadata(obj: Object) -> Object:
    """The metadata, for reading; an empty dict where there is none."""
    found = obj.get("metadata")
    return found if isinstance(found, dict) else _EMPTY


def name(obj: Object) -> str:
    return str(metadata(obj).get("name") or "")


def namespace(obj: Object) -> str:
    return str(metadata(obj).get("namespace") or "")


def uid(obj: Object) -> str:
    return str(metadata(obj).get("uid") or "")


def resource_version(obj: Object) -> str:
    return str(metadata(obj).get("resourceVersion") or "")


def labels(obj: Object) -> dict[str, str]:
    """The labels, for reading."""
    return metadata(obj).get("labels") or {}


def annotations(obj: Object) -> dict[str, str]:
    """The annotations, for reading."""
    return metadata(obj).get("annotations") or {}


def finalizers(obj: Object) -> list[str]:
    return metadata(obj).get("finalizers") or []


def has_finalizer(obj: Object, finalizer: str) -> bool:
    return finalizer in finalizers(obj)


def is_deleting(obj: Object) -> bool:
    """True once a deletion was accepted (deletionTimestamp is set)."""
    return bool(metadata(obj).get("deletionTimestamp"))


def owner_references(obj: Object) -> list[Object]:
    return metadata(obj).get("ownerReferences") or []


def controller_of(obj: Object) -> Object | None:
    """The owner reference with controller: true (upstream's metav1.GetControllerOf)."""
    for reference in owner_references(obj):
        if reference.get("controller"):
            return reference
    return None


def is_controlled_by(obj: Object, owner: Object) -> bool:
    reference = controller_of(obj)
    return reference is not None and reference.get("uid") == uid(owner)


def owner_reference(owner: Object, *, controller: bool = False, block: bool = False) -> Object:
    """A reference to `owner`; `controller` and `block` (blockOwnerDeletion) only when true."""
    result: Object = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name(owner),
        "uid": uid(owner),
    }
    if controller:
        result["controller"] = True
    if block:
        result["blockOwnerDeletion"] = True
    return result


def controller_reference(owner: Object) -> Object:
    """What a controller writes on the objects it makes (upstream's metav1.NewControllerRef)."""
    return owner_reference(owner, controller=True, block=True)


def object_reference(obj: Object) -> Object:
    """An ObjectReference to this version of `obj`, as far as it says who it is."""
    pairs = {
        "kind": obj.get("kind"),
        "namespace": namespace(obj),
        "name": name(obj),
        "uid": uid(obj),
        "apiVersion": obj.get("apiVersion"),
        "resourceVersion": resource_version(obj),
    }
    return {key: value for key, value in pairs.items() if value}


def key(obj: Object) -> str:
    """ "namespace/name", or "name" of an object without a namespace (client-go's cache key)."""
    space = namespace(obj)
    return f"{space}/{name(obj)}" if space else name(obj)


def make_key(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name


def split_key(key: str) -> tuple[str, str]:
    """("namespace", "name") of a key; the namespace is "" where the key has none."""
    namespace, _, name = key.rpartition("/")
    return namespace, name


def new_metadata(
    name: str = "",
    namespace: str = "",
    *,
    generate_name: str = "",
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    owners: Iterable[Object] = (),
) -> Object:
    """The metadata of an object to be created; only what was given appears."""
    pairs = {
        "name": name,
        "generateName": generate_name,
        "namespace": namespace,
        "labels": dict(labels or {}),
        "annotations": dict(annotations or {}),
        "ownerReferences": list(owners),
    }
    return {field: value for field, value in pairs.items() if value}


def service_account_user(namespace: str, name: str, uid: str = "") -> User:
    """Who a service account is to authentication and authorization."""
    return User(
        f"system:serviceaccount:{namespace}:{name}",
        ("system:serviceaccounts", f"system:serviceaccounts:{namespace}"),
        uid,
    )


def split_service_account(username: str) -> tuple[str, str] | None:
    """(namespace, name) of a service account's user name; None for anybody else."""
    parts = username.split(":")
    if len(parts) != 4 or parts[:2] != ["system", "serviceaccount"]:
        return None
    return parts[2], parts[3]


def node_of(user: User) -> str | None:
    """The node that a user is; "" for one of system:nodes without a node's name; else None."""
    if "system:nodes" not in user.groups or not user.name.startswith("system:node:"):
        return None
    return user.name.removeprefix("system:node:")
