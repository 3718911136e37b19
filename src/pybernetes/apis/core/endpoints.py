# SPDX-License-Identifier: Apache-2.0
"""EndpointSlice (some of a service's endpoints, all of one family), and Endpoints, its older form."""

import datetime

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors, invalid
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, text
from pybernetes.apis.core.podspec.defaults import fill, fill_missing
from pybernetes.apis.core.servicevalidation import PROTOCOLS
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.addresses import address, validate_endpoint_ip, validate_ip
from pybernetes.apis.validation.meta import validate_labels
from pybernetes.apis.validation.names import (
    dns1123_label,
    dns1123_subdomain,
    label_value,
    port_number,
    qualified_name,
)
from pybernetes.apis.validation.part import IMMUTABLE, Part, creating

_TYPES = ["FQDN", "IPv4", "IPv6"]


def _default(endpoints: Object) -> None:
    for subset in endpoints.get("subsets") or ():
        for port in subset.get("ports") or ():
            fill(port, {"protocol": "TCP"})


def _endpoints(part: Part) -> None:
    for subset in part.each("subsets"):
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            subset.required("", "must specify `addresses` or `notReadyAddresses`")
        for field in ("addresses", "notReadyAddresses"):
            for one in subset.each(field):
                ip, at = one.get("ip") or "", one.path("ip")
                one.errors.extend(validate_ip(ip, at) or validate_endpoint_ip(ip, at))
                one.rule("hostname", dns1123_label)
                one.set_rule("nodeName", dns1123_subdomain)
        for port in subset.each("ports"):
            if len(subset.get("ports")) > 1:
                port.need("name")
            port.rule("name", dns1123_label)
            port.any_rule("port", port_number, 0)
            _port(port)


def _port(port: Part) -> None:
    port.one_of("protocol", PROTOCOLS)
    port.set_rule("appProtocol", qualified_name)


def _endpoints_update(new: Object, old: Object) -> Errors:
    return [] if new.get("subsets") == old.get("subsets") else creating(_endpoints)(new)


def _shown(endpoints: Object, _: datetime.datetime) -> str:
    subsets = endpoints.get("subsets") or ()
    if not subsets:
        return "<none>"
    found = []
    for subset in subsets:
        ips = [address["ip"] for address in subset.get("addresses") or ()]
        ips = [f"[{ip}]" if ":" in ip and subset.get("ports") else ip for ip in ips]
        for port in subset.get("ports") or ():
            found += [f"{ip}:{port['port']}" for ip in ips]
        if not subset.get("ports"):
            found += ips
    return _limited(found, empty="")


def _limited(found: list[str], most: int = 3, empty: str = "<unset>") -> str:
    """The first few of a list, and how many more there are."""
    shown = ",".join(found[:most])
    return f"{shown} + {len(found) - most} more..." if len(found) > most else shown or empty


ENDPOINTS = Kind(
    default=_default,
    validate_create=creating(_endpoints),
    validate_update=_endpoints_update,
    create_on_update=True,
    columns=(NAME, Column("Endpoints", _shown), AGE),
)


def _default_slice(endpoint_slice: Object) -> None:
    for port in endpoint_slice.get("ports") or ():
        fill_missing(port, {"name": "", "protocol": "TCP"})


def _prepare_update(new: Object, old: Object) -> None:
    """Labels say whose slice it is: changing them is a new generation too."""
    if meta.labels(new) != meta.labels(old):
        new["metadata"]["generation"] = (meta.metadata(old).get("generation") or 0) + 1


def _slice(part: Part) -> None:
    part.need_choice("addressType", _TYPES)
    if part.most("ports", 20000):
        names = [port.get("name") or "" for port in part.get("ports") or ()]
        part.unique("ports", names, ".name")
        for port in part.each("ports"):
            port.rule("name", dns1123_label)
            _port(port)
    if part.most("endpoints", 1000):
        for endpoint in part.each("endpoints"):
            _endpoint(endpoint, part.get("addressType"))


def _slice_update(new: Object, old: Object) -> Errors:
    errors = creating(_slice)(new)
    if new.get("endpoints") == old.get("endpoints"):
        errors = [error for error in errors if not error.field.startswith("endpoints")]
    if new.get("addressType") != old.get("addressType"):
        errors.append(invalid("addressType", new.get("addressType"), IMMUTABLE))
    return errors


def _address(endpoint: Part, value: str, type_: str | None, path: str) -> None:
    if type_ in {"IPv4", "IPv6"}:
        at = endpoint.path(path)
        wrong = validate_ip(value, at)
        found = address(value)
        if not wrong and found and f"IPv{found.version}" != type_:
            text = f"must be an {type_} address"
            wrong = [invalid(endpoint.path("addresses"), value, text)]
        endpoint.errors.extend(wrong or validate_endpoint_ip(value, at))
    elif type_ == "FQDN":
        name = value.removesuffix(".")
        wrong_name = dns1123_subdomain(name)
        if not value:
            endpoint.required(path)
        elif wrong_name:
            endpoint.invalid(path, name, ",".join(wrong_name))
        elif "." not in name:
            text = "should be a domain with at least two segments separated by dots"
            endpoint.invalid(path, name, text)


def _endpoint(endpoint: Part, type_: str | None) -> None:
    endpoint.need("addresses", detail="must contain at least 1 address")
    endpoint.most("addresses", 100)
    for number, value in enumerate(endpoint.get("addresses") or ()):
        _address(endpoint, value, type_, f"addresses[{number}]")
    endpoint.set_rule("nodeName", dns1123_subdomain)
    endpoint.set_rule("hostname", dns1123_label)
    endpoint.most("deprecatedTopology", 16)
    validate_labels(endpoint, "deprecatedTopology")
    hints = endpoint.child("hints")
    for field, rule in (("forZones", label_value), ("forNodes", dns1123_subdomain)):
        names = [one.get("name") for one in hints.get(field) or ()]
        if hints.most(field, 8):
            hints.unique(field, names, ".name")
            for one in hints.each(field):
                one.wrong("name", one.get("name"), rule(one.get("name") or ""))


def _shown_ports(endpoint_slice: Object, _: datetime.datetime) -> str:
    return _limited([str(_port_text(port)) for port in endpoint_slice.get("ports") or ()])


def _port_text(port: Object) -> object:
    if port.get("port") is not None:
        return port["port"]
    return port["name"] if port.get("name") is not None else "*"


def _shown_endpoints(endpoint_slice: Object, _: datetime.datetime) -> str:
    endpoints = endpoint_slice.get("endpoints") or ()
    return _limited([ip for endpoint in endpoints for ip in endpoint.get("addresses") or ()])


ENDPOINT_SLICE = Kind(
    default=_default_slice,
    prepare_update=_prepare_update,
    validate_create=creating(_slice),
    validate_update=_slice_update,
    columns=(
        NAME,
        Column("AddressType", text("addressType")),
        Column("Ports", _shown_ports),
        Column("Endpoints", _shown_endpoints),
        AGE,
    ),
)
