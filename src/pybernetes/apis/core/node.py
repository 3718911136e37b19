# SPDX-License-Identifier: Apache-2.0
"""Node: a node may bring its status when it registers itself."""

import datetime
from ipaddress import ip_network

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors, duplicate, forbidden, invalid
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, look, text
from pybernetes.apis.core.pod.status import get_condition
from pybernetes.apis.core.taints import validate_taints
from pybernetes.apis.kind import Column, Kind

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


def address(node: Object, type_: str) -> str:
    """The node's first address of a type (InternalIP, ExternalIP, Hostname); "" without one."""
    for entry in look(node, "status", "addresses") or ():
        if entry.get("type") == type_:
            return str(entry.get("address") or "")
    return ""


def is_ready(node: Object) -> bool:
    condition = get_condition(node, "Ready")
    return condition is not None and condition.get("status") == "True"


def _default(node: Object) -> None:
    status = node.get("status")
    if status and status.get("capacity") and status.get("allocatable") is None:
        status["allocatable"] = dict(status["capacity"])
    spec = node.setdefault("spec", {})
    if spec.get("podCIDR") and not spec.get("podCIDRs"):
        spec["podCIDRs"] = [spec["podCIDR"]]
    elif spec.get("podCIDRs"):
        spec["podCIDR"] = spec["podCIDRs"][0]


def _prepare(node: Object, _: Object | None = None) -> None:
    (node.get("spec") or {}).pop("configSource", None)  # dynamic kubelet configuration is gone
    (node.get("status") or {}).pop("config", None)


def _validate(node: Object) -> Errors:
    errors: Errors = []
    spec = node.get("spec") or {}
    validate_taints(spec.get("taints") or (), "metadata.taints", errors)
    _validate_cidrs(spec.get("podCIDRs") or [], errors)
    return errors


def _validate_cidrs(cidrs: list[str], errors: Errors) -> None:
    families = set()
    for number, cidr in enumerate(cidrs):
        try:
            families.add(ip_network(cidr).version)
        except ValueError:
            text = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            errors.append(invalid(f"spec.podCIDRs[{number}]", cidr, text))
    if len(cidrs) > 2:
        text = "may specify no more than one CIDR for each IP family"
        errors.append(invalid("spec.podCIDRs", cidrs, text))
    elif len(cidrs) == 2 and not errors:
        if cidrs[0] == cidrs[1]:
            errors.append(duplicate("spec.podCIDRs[1]", cidrs[1]))
        elif len(families) == 1:
            text = "may specify no more than one CIDR for each IP family"
            errors.append(invalid("spec.podCIDRs", cidrs, text))


def _validate_update(new: Object, old: Object) -> Errors:
    errors = _validate(new)
    _validate_addresses(new, errors)
    was, now = old.get("spec") or {}, new.get("spec") or {}
    if was.get("podCIDRs") and was["podCIDRs"] != now.get("podCIDRs"):
        text = 'node updates may not change podCIDR except from "" to valid'
        errors.append(forbidden("spec.podCIDRs", text))
    if was.get("providerID") and was["providerID"] != now.get("providerID"):
        verb = "modified" if now.get("providerID") else "cleared"
        errors.append(invalid("spec.providerID", None, f"field cannot be {verb} once set"))
    return errors


def _validate_addresses(node: Object, errors: Errors) -> None:
    seen: list[Object] = []
    for number, entry in enumerate(look(node, "status", "addresses") or ()):
        if entry in seen:
            errors.append(duplicate(f"status.addresses[{number}]", entry))
        seen.append(entry)


def _validate_status_update(new: Object, _: Object) -> Errors:
    errors: Errors = []
    _validate_addresses(new, errors)
    return errors


def _status(node: Object, _: datetime.datetime) -> str:
    condition = get_condition(node, "Ready")
    shown = "Unknown"
    if condition is not None:
        shown = "Ready" if condition.get("status") == "True" else "NotReady"
    return shown + (",SchedulingDisabled" if look(node, "spec", "unschedulable") else "")


def _kernel(node: Object, _: datetime.datetime) -> str:
    info = look(node, "status", "nodeInfo") or {}
    kernel = info.get("kernelVersion") or "<unknown>"
    return f"{kernel} ({info['architecture']})" if info.get("architecture") else kernel


def _info(field: str, empty: str = "<unknown>") -> Column:
    names = {"osImage": "OS-Image", "containerRuntimeVersion": "Container-Runtime"}
    return Column(names[field], text("status", "nodeInfo", field, empty=empty), priority=1)


def _address_column(name: str, type_: str) -> Column:
    return Column(name, lambda node, _: address(node, type_) or "<none>", priority=1)


NODE = Kind(
    default=_default,
    prepare_create=_prepare,
    prepare_update=_prepare,
    validate_create=_validate,
    validate_update=_validate_update,
    validate_status_update=_validate_status_update,
    status_on_create=True,
    fields=lambda node: {
        "spec.unschedulable": "true" if look(node, "spec", "unschedulable") else "false"
    },
    field_names=("spec.unschedulable",),
    columns=(
        NAME,
        Column("Status", _status),
        Column("Roles", lambda node, _: ",".join(roles(node)) or "<none>"),
        AGE,
        Column("Version", text("status", "nodeInfo", "kubeletVersion")),
        _address_column("Internal-IP", "InternalIP"),
        _address_column("External-IP", "ExternalIP"),
        _info("osImage"),
        Column("Kernel-Version", _kernel, priority=1),
        _info("containerRuntimeVersion"),
    ),
)
