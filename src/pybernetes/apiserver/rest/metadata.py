# SPDX-License-Identifier: Apache-2.0
"""What holds for the metadata of every object: system fields, names, generation, validation."""

import re

from pybernetes.apimachinery import field, names, timestamps
from pybernetes.apimachinery.errors import bad_request
from pybernetes.apimachinery.field import Errors, Path
from pybernetes.apimachinery.types import Object
from pybernetes.apis.resource import Resource
from pybernetes.base.env import Env

METADATA = Path("metadata")
MAX_GENERATED = 63 - 5  # a generateName is cut so that prefix and suffix fit a DNS label
_ANNOTATIONS_LIMIT = 256 * 1024
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_UPSTREAM_GENERATION = frozenset(  # built-in kinds outside apps, batch, policy... that count one
    {
        ("", "Pod"),
        ("", "PodTemplate"),
        ("", "ReplicationController"),
    }
)
_WITHOUT_GENERATION = frozenset(
    {
        "",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "events.k8s.io",
        "rbac.authorization.k8s.io",
        "storage.k8s.io",
        "storagemigration.k8s.io",
        "node.k8s.io",
        "internal.apiserver.k8s.io",
        "apiregistration.k8s.io",
    }
)
_NO_GENERATION_KINDS = frozenset(
    {
        ("apps", "ControllerRevision"),
        ("networking.k8s.io", "IPAddress"),
        ("networking.k8s.io", "ServiceCIDR"),
        ("resource.k8s.io", "ResourceClaim"),
        ("resource.k8s.io", "ResourceClaimTemplate"),
    }
)


def counts_generation(row: Resource) -> bool:
    """Does this kind have metadata.generation (upstream: where its strategy sets it)?"""
    what = (row.gvr.group, row.kind)
    if what in _NO_GENERATION_KINDS:
        return False
    return what in _UPSTREAM_GENERATION or row.gvr.group not in _WITHOUT_GENERATION


def fill_system_fields(env: Env, metadata: Object) -> None:
    """uid and creationTimestamp; what only the server may set is dropped."""
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"):
        metadata.pop(name, None)
    metadata["uid"] = env.random.uuid()
    metadata["creationTimestamp"] = timestamps.rfc3339(env.clock.now())


def generate_name(env: Env, metadata: Object) -> None:
    """A name from generateName where there is none."""
    prefix = metadata.get("generateName")
    if prefix and not metadata.get("name"):
        metadata["name"] = prefix[:MAX_GENERATED] + env.random.suffix()


def match_namespace(metadata: Object, namespace: str, *, namespaced: bool) -> None:
    """The object's namespace is the request's. Raises 400."""
    given = metadata.get("namespace") or ""
    if not namespaced:
        if given:
            raise bad_request("namespace may not be set on a cluster-scoped object")
        metadata.pop("namespace", None)
        return
    if given and given != namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    metadata["namespace"] = namespace


def validate(row: Resource, metadata: Object) -> Errors:
    """Upstream's ValidateObjectMeta."""
    errors: Errors = []
    name, prefix = metadata.get("name") or "", metadata.get("generateName") or ""
    check = row.rules.validate_name or names.dns1123_subdomain
    if prefix:
        shown = prefix[:-1] + "a" if prefix.endswith("-") else prefix
        errors += [
            field.invalid(METADATA.child("generateName"), prefix, text) for text in check(shown)
        ]
    if not name:
        detail = "name or generateName is required"
        errors.append(field.required(METADATA.child("name"), detail))
    else:
        errors += [field.invalid(METADATA.child("name"), name, text) for text in check(name)]
    if row.namespaced:
        errors += _validate_namespace(metadata.get("namespace") or "")
    errors += _validate_maps(metadata)
    errors += _validate_owners(metadata)
    for index, finalizer in enumerate(metadata.get("finalizers") or ()):
        path = METADATA.child("finalizers").index(index)
        errors += [field.invalid(path, finalizer, text) for text in names.label_key(finalizer)]
    return errors


def _validate_namespace(namespace: str) -> Errors:
    path = METADATA.child("namespace")
    if not namespace:
        return [field.required(path)]
    if len(namespace) > 63 or not _LABEL.fullmatch(namespace):
        return [
            field.invalid(
                path,
                namespace,
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
            )
        ]
    return []


def _validate_maps(metadata: Object) -> Errors:
    errors: Errors = []
    path = METADATA.child("labels")
    for key, value in (metadata.get("labels") or {}).items():
        errors += [field.invalid(path, key, text) for text in names.label_key(key)]
        errors += [field.invalid(path, value, text) for text in names.label_value(value)]
    path = METADATA.child("annotations")
    total = 0
    for key, value in (metadata.get("annotations") or {}).items():
        errors += [field.invalid(path, key, text) for text in names.label_key(key.lower())]
        total += len(key) + len(value)
    if total > _ANNOTATIONS_LIMIT:
        errors.append(field.too_long(path, _ANNOTATIONS_LIMIT))
    return errors


def _validate_owners(metadata: Object) -> Errors:
    errors: Errors = []
    controllers = []
    for index, owner in enumerate(metadata.get("ownerReferences") or ()):
        path = METADATA.child("ownerReferences").index(index)
        if not owner.get("apiVersion") or owner["apiVersion"].endswith("/"):
            errors.append(
                field.invalid(
                    path.child("apiVersion"),
                    owner.get("apiVersion", ""),
                    "version must not be empty",
                )
            )
        for key, shown in (("kind", "kind"), ("name", "name"), ("uid", "uid")):
            if not owner.get(key):
                errors.append(field.invalid(path.child(key), "", f"{shown} must not be empty"))
        if owner.get("controller"):
            controllers.append(f"{owner.get('kind')}/{owner.get('name')}")
    if len(controllers) > 1:
        detail = f'Only one reference can have Controller set to true. Found "true" in references for {controllers[0]} and {controllers[1]}'
        errors.append(
            field.invalid(METADATA.child("ownerReferences"), metadata["ownerReferences"], detail)
        )
    return errors


_IMMUTABLE = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)


def validate_update(new: Object, old: Object) -> Errors:
    """Upstream's ValidateObjectMetaUpdate, on metadata."""
    errors: Errors = []
    for name in _IMMUTABLE:
        if new.get(name) != old.get(name):
            errors.append(field.invalid(METADATA.child(name), new.get(name), "field is immutable"))
    if new.get("generation", 0) < old.get("generation", 0):
        errors.append(
            field.invalid(
                METADATA.child("generation"), new.get("generation", 0), "must not be decremented"
            )
        )
    if old.get("deletionTimestamp"):
        had = old.get("finalizers") or ()
        added = sorted(f for f in new.get("finalizers") or () if f not in had)
        if added:
            shown = " ".join(added)
            detail = f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{', '.join(field.show(f) for f in added)}}}"
            errors.append(field.forbidden(METADATA.child("finalizers"), detail))
            del shown
    return errors
