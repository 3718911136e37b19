# SPDX-License-Identifier: Apache-2.0
"""Environment variables, and the references to fields that they and volumes use, beyond the rows of
data/rules.txt.
"""

import re

from pybernetes.apis.validation.names import qualified_name
from pybernetes.apis.validation.part import Part

_META_FIELDS = ["metadata.name", "metadata.namespace", "metadata.uid"]
_ENV_FIELDS = [
    *_META_FIELDS,
    *("spec.nodeName", "spec.serviceAccountName"),
    *("status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"),
]
VOLUME_FIELDS = ["metadata.annotations", "metadata.labels", *_META_FIELDS]
_KNOWN_FIELDS = frozenset([*_ENV_FIELDS, *VOLUME_FIELDS, "spec.host", "spec.restartPolicy"])
_RESOURCES = [
    f"{kind}.{name}"
    for kind in ("limits", "requests")
    for name in ("cpu", "ephemeral-storage", "memory")
]
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_SIZES = ["1", "1E", "1Ei", "1G", "1Gi", "1K", "1Ki", "1M", "1Mi", "1P", "1Pi", "1T", "1Ti", "1k"]
_SUBSCRIPT = re.compile(r"(.*)\['(.*)'\]", re.DOTALL).fullmatch
_ONE_SOURCE = (
    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` "
    "or `fileKeyRef`"
)
_ONE_FIELD = "may not have more than one field specified at a time"


_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")


def validate_env(container: Part) -> None:
    """env and envFrom of a container: one source each."""
    for variable in container.each("env"):
        if variable.get("valueFrom") is not None:
            _value_from(variable)
    for source in container.get("envFrom") or ():
        used = [name for name in ("configMapRef", "secretRef") if source.get(name) is not None]
        if not used:
            text = "must specify one of: `configMapRef` or `secretRef`"
            container.invalid("envFrom", "", text)
        elif len(used) > 1:
            container.invalid("envFrom", "", _ONE_FIELD)


def _value_from(variable: Part) -> None:
    source = variable.child("valueFrom")
    used = [name for name in _SOURCES if source.get(name) is not None]
    if not used:
        source.invalid("", "", _ONE_SOURCE)
    elif variable.get("value"):
        source.invalid("", "", "may not be specified when `value` is not empty")
    elif len(used) > 1:
        source.invalid("", "", _ONE_FIELD)


def validate_field_ref(reference: Part, known: list[str] = _ENV_FIELDS) -> None:
    """A fieldRef, as variables and volumes have; `known` are the paths that it may name."""
    path = reference.get("fieldPath") or ""
    if not reference.get("apiVersion"):
        reference.required("apiVersion")
    elif not path:
        reference.required("fieldPath")
    elif subscript := _SUBSCRIPT(path):
        base, key = subscript.groups()
        if base not in {"metadata.annotations", "metadata.labels"}:
            reference.invalid("", base, "does not support subscript")
            return
        key = key.lower() if base == "metadata.annotations" else key
        reference.wrong("", key, qualified_name(key))
    elif path in _KNOWN_FIELDS:
        reference.choice("fieldPath", known)
    else:
        text = f"error converting fieldPath: field label not supported: {path}"
        reference.invalid("fieldPath", path, text)


def validate_resource_ref(reference: Part, *, volume: bool = False) -> None:
    """A resourceFieldRef; in volumes it must name the container."""
    resource = reference.get("resource") or ""
    if volume and not reference.get("containerName"):
        reference.required("containerName")
    elif not resource.startswith(_HUGE_PAGES):
        reference.need_choice("resource", _RESOURCES)
    divisor = str(reference.get("divisor") or "0")
    allowed = ["1", "1m"] if resource.endswith(".cpu") else _SIZES
    if divisor != "0" and divisor not in allowed:
        what = resource.partition(".")[2].partition("-")[0]
        listed = (" and " if len(allowed) == 2 else ", ").join(allowed)
        text = f"only divisor's values {listed} are supported with the {what} resource"
        reference.invalid("divisor", divisor, text)
