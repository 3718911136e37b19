# SPDX-License-Identifier: Apache-2.0
"""Node: a node may bring its status when it registers itself."""

import datetime
from ipaddress import ip_network

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.apis import conditions
from pybernetes.apis.columns import look
from pybernetes.apis.core.taints import validate_taints
from pybernetes.apis.validation.part import Part

ROLE_PREFIX = "node-role.kubernetes.io/"
ROLE_LABEL = "kubernetes.io/role"


def roles(node: Object) -> list[str]:
    """The roles that a node's labels name, in order."""
    found = set()
    for key, value in meta.labels(node).items():
        if key.startswith(ROLE_PREFIX):
            found.add(key.removeprefix(ROLE_PREFIX))
        elif key == ROLE_LABEL:
            found.add(value)
    return sorted(found - {""})


def addresses(node: Object, kind: str) -> list[str]:
    """Where a node says that it is reached, of one type (InternalIP, Hostname, ...)."""
    listed = (node.get("status") or {}).get("addresses") or ()
    return [one["address"] for one in listed if one["type"] == kind]


def default_node(node: Object) -> None:
    status = node.get("status")
    if status and status.get("capacity") and status.get("allocatable") is None:
        status["allocatable"] = dict(status["capacity"])
    spec = node["spec"]
    if spec.get("podCIDR") and not spec.get("podCIDRs"):
        spec["podCIDRs"] = [spec["podCIDR"]]
    elif spec.get("podCIDRs"):
        spec["podCIDR"] = spec["podCIDRs"][0]


def prepare(node: Object, _: Object | None = None) -> None:
    (node.get("spec") or {}).pop("configSource", None)  # dynamic kubelet configuration is gone
    (node.get("status") or {}).pop("config", None)


def validate_node(node: Part) -> None:
    spec = node.child("spec")
    validate_taints(Part({"taints": spec.get("taints")}, "metadata", node.errors))
    cidrs = spec.get("podCIDRs") or []
    spec.list_rule("podCIDRs", _cidr)
    families = {ip_network(cidr).version for cidr in cidrs if not _cidr(cidr)}
    valid = not any(map(_cidr, cidrs)) and not node.errors
    if len(cidrs) == 2 and cidrs[0] == cidrs[1] and valid:
        spec.duplicate("podCIDRs[1]", cidrs[1])
    elif len(cidrs) > 2 or (len(cidrs) == 2 and len(families) == 1 and valid):
        text = "may specify no more than one CIDR for each IP family"
        spec.invalid("podCIDRs", cidrs, text)


def _cidr(text: str) -> list[str]:
    try:
        ip_network(text)
    except ValueError:
        return ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]
    return []


def validate_node_update(node: Part, old: Object) -> None:
    spec, was = node.child("spec"), old.get("spec") or {}
    if was.get("podCIDRs") and was["podCIDRs"] != spec.get("podCIDRs"):
        text = 'node updates may not change podCIDR except from "" to valid'
        spec.forbidden("podCIDRs", text)
    if was.get("providerID") and was["providerID"] != spec.get("providerID"):
        verb = "modified" if spec.get("providerID") else "cleared"
        spec.invalid("providerID", None, f"field cannot be {verb} once set")


def status(node: Object, _: datetime.datetime) -> str:
    condition = conditions.of(node, "Ready")
    shown = "Unknown"
    if condition is not None:
        shown = "Ready" if condition.get("status") == "True" else "NotReady"
    return shown + (",SchedulingDisabled" if look(node, "spec", "unschedulable") else "")


def kernel(node: Object, _: datetime.datetime) -> str:
    info = look(node, "status", "nodeInfo") or {}
    kernel = info.get("kernelVersion") or "<unknown>"
    return f"{kernel} ({info['architecture']})" if info.get("architecture") else kernel


def shown_roles(node: Object, _: datetime.datetime) -> str:
    return ",".join(roles(node))
