# SPDX-License-Identifier: Apache-2.0
"""IPAddress and ServiceCIDR: which service addresses there are, and whose they are."""

import datetime

from pybernetes.apimachinery.field import Errors, invalid, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, look
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.addresses import address, validate_cidr
from pybernetes.apis.validation.meta import validate_immutable


def _ip_name(name: str) -> list[str]:
    found = address(name)
    if found is None:
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    return [] if str(found) == name else [f'must be in canonical form ("{found}")']


def _validate_address(obj: Object) -> Errors:
    parent = look(obj, "spec", "parentRef")
    if parent is None:
        return [required("spec.parentRef")]
    fields = ("resource", "name")
    return [required(f"spec.parentRef.{field}") for field in fields if not parent.get(field)]


def _validate_address_update(new: Object, old: Object) -> Errors:
    errors = _validate_address(new)
    parent, was = (look(obj, "spec", "parentRef") for obj in (new, old))
    validate_immutable(parent, was, "spec.parentRef", errors)
    return errors


def _parent(obj: Object, _: datetime.datetime) -> str:
    parent = look(obj, "spec", "parentRef")
    if parent is None:
        return "<none>"
    group = f".{parent['group']}" if parent.get("group") else ""
    space = f"/{parent['namespace']}" if parent.get("namespace") else ""
    return f"{parent.get('resource') or ''}{group}".lower() + f"{space}/{parent.get('name') or ''}"


def _validate_range(obj: Object) -> Errors:
    cidrs = look(obj, "spec", "cidrs") or []
    if not cidrs:
        return [required("spec.cidrs", "at least one CIDR required")]
    errors: Errors = []
    if len(cidrs) > 2:
        text = "may only hold up to 2 values"
        errors.append(invalid("spec", look(obj, "spec"), text))
    for number, cidr in enumerate(cidrs):
        errors += validate_cidr(cidr, f"spec.cidrs[{number}]")
    return errors


def _validate_range_update(new: Object, old: Object) -> Errors:
    errors = _validate_range(new)
    cidrs, was = (look(obj, "spec", "cidrs") or [] for obj in (new, old))
    if len(cidrs) < len(was) or cidrs[: len(was)] != was:
        errors.append(invalid("spec.cidrs", cidrs, "field is immutable"))
    return errors


IP_ADDRESS = Kind(
    validate_create=_validate_address,
    validate_update=_validate_address_update,
    validate_name=_ip_name,
    columns=(NAME, Column("ParentRef", _parent)),
)
SERVICE_CIDR = Kind(
    validate_create=_validate_range,
    validate_update=_validate_range_update,
    columns=(NAME, Column("CIDRs", lambda obj, _: ",".join(look(obj, "spec", "cidrs") or ())), AGE),
)
