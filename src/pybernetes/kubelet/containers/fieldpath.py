# SPDX-License-Identifier: Apache-2.0
"""Downward API: what a fieldRef or resourceFieldRef says. Pure."""

import json
import re
from collections.abc import Mapping, Sequence

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.types import Object
from pybernetes.kubelet import naming

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]")


class FieldError(ValueError):
    """A reference that says nothing; the text is upstream's."""


def value(
    pod: Object,
    source: Object,
    ips: tuple[Sequence[str], Sequence[str]],
    allocatable: Mapping[str, str],
    *,
    own: Object | None = None,
) -> str:
    """What a fieldRef or resourceFieldRef says. Raises FieldError.

    `ips`: the node's and the pod's; `own`: the container that is meant where none is named.
    """
    if "fieldRef" in source:
        return field_value(pod, source["fieldRef"].get("fieldPath", ""), *ips)
    selector = source["resourceFieldRef"]
    name = selector.get("containerName")
    container = naming.find_container(pod, name) if name else own
    if container is None:
        raise FieldError(f"container {name} not found")
    return resource_value(container, selector, allocatable)


def field_value(
    pod: Object, path: str, node_ips: Sequence[str] = (), ips: Sequence[str] = ()
) -> str:
    """The text of a field. `ips` are the pod's addresses (the status may not have them yet)."""
    metadata, spec = pod["metadata"], pod["spec"]
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript:
        return str((metadata.get(subscript[1]) or {}).get(subscript[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        return format_map(metadata.get(path.partition(".")[2]) or {})
    ips = ips or [item["ip"] for item in (pod.get("status") or {}).get("podIPs", ())]
    values = {
        "metadata.name": metadata.get("name", ""),
        "metadata.namespace": metadata.get("namespace", ""),
        "metadata.uid": metadata.get("uid", ""),
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.hostIP": node_ips[0] if node_ips else "",
        "status.hostIPs": ",".join(node_ips),
        "status.podIP": ips[0] if ips else "",
        "status.podIPs": ",".join(ips),
    }
    if path not in values:
        raise FieldError(f"unsupported fieldPath: {path}")
    return str(values[path])


def format_map(values: Mapping[str, str]) -> str:
    """key="value" lines, sorted, as upstream writes labels and annotations."""
    return "\n".join(
        f"{key}={json.dumps(values[key], ensure_ascii=False)}" for key in sorted(values)
    )


def resource_value(container: Object, selector: Object, allocatable: Mapping[str, str]) -> str:
    """The number a resourceFieldRef says; a missing limit is the node's allocatable."""
    kind, _, name = selector["resource"].partition(".")
    if kind not in ("limits", "requests") or not name:
        raise FieldError(f"unsupported container resource : {selector['resource']}")
    values = (container.get("resources") or {}).get(kind) or {}
    text = values.get(name)
    if text is None and kind == "limits" and name in ("cpu", "memory", "ephemeral-storage"):
        text = allocatable.get(name)
    divisor = quantity.parse(selector.get("divisor") or "1").nano or quantity.parse("1").nano
    return str(-(-quantity.parse(text or "0").nano // divisor))
