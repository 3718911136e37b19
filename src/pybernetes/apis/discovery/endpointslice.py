# SPDX-License-Identifier: Apache-2.0
"""EndpointSlice: some of a service's endpoints, all of one address family."""

import datetime

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import (
    Errors,
    duplicate,
    invalid,
    not_supported,
    required,
    too_many,
)
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, text
from pybernetes.apis.core.endpoints import limited
from pybernetes.apis.core.podspec.defaults import fill_missing
from pybernetes.apis.core.servicevalidation import PROTOCOLS
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.addresses import address, validate_endpoint_ip, validate_ip
from pybernetes.apis.validation.meta import IMMUTABLE, validate_labels
from pybernetes.apis.validation.names import (
    dns1123_label,
    dns1123_subdomain,
    label_value,
    qualified_name,
)

_TYPES = ["FQDN", "IPv4", "IPv6"]


def _default(endpoint_slice: Object) -> None:
    for port in endpoint_slice.get("ports") or ():
        fill_missing(port, {"name": "", "protocol": "TCP"})


def _prepare_update(new: Object, old: Object) -> None:
    """Labels say whose slice it is: changing them is a new generation too."""
    if meta.labels(new) != meta.labels(old):
        new["metadata"]["generation"] = (meta.metadata(old).get("generation") or 0) + 1


def _validate(endpoint_slice: Object) -> Errors:
    errors: Errors = []
    type_ = endpoint_slice.get("addressType")
    if not type_:
        errors.append(required("addressType"))
    elif type_ not in _TYPES:
        errors.append(not_supported("addressType", type_, _TYPES))
    _ports(endpoint_slice.get("ports") or [], errors)
    _endpoints(endpoint_slice, errors)
    return errors


def _validate_update(new: Object, old: Object) -> Errors:
    errors = _validate(new)
    if new.get("endpoints") == old.get("endpoints"):
        errors = [error for error in errors if not error.field.startswith("endpoints")]
    if new.get("addressType") != old.get("addressType"):
        errors.append(invalid("addressType", new.get("addressType"), IMMUTABLE))
    return errors


def _ports(ports: list[Object], errors: Errors) -> None:
    if len(ports) > 20000:
        errors.append(too_many("ports", len(ports), 20000))
        return
    names: list[str] = []
    for number, port in enumerate(ports):
        at, name = f"ports[{number}]", port.get("name") or ""
        wrong = dns1123_label(name) if name else ()
        errors.extend(invalid(f"{at}.name", name, text) for text in wrong)
        if name in names:
            errors.append(duplicate(f"{at}.name", name))
        names.append(name)
        if port.get("protocol") not in PROTOCOLS:
            errors.append(not_supported(f"{at}.protocol", port.get("protocol"), PROTOCOLS))
        application = port.get("appProtocol")
        wrong = qualified_name(application) if application is not None else ()
        errors.extend(invalid(f"{at}.appProtocol", application, text) for text in wrong)


def _endpoints(endpoint_slice: Object, errors: Errors) -> None:
    endpoints, type_ = endpoint_slice.get("endpoints") or [], endpoint_slice.get("addressType")
    if len(endpoints) > 1000:
        errors.append(too_many("endpoints", len(endpoints), 1000))
        return
    for number, endpoint in enumerate(endpoints):
        at = f"endpoints[{number}]"
        addresses = endpoint.get("addresses") or []
        if not addresses:
            errors.append(required(f"{at}.addresses", "must contain at least 1 address"))
        elif len(addresses) > 100:
            errors.append(too_many(f"{at}.addresses", len(addresses), 100))
        for index, value in enumerate(addresses):
            _address(value, type_, f"{at}.addresses", index, errors=errors)
        _endpoint(endpoint, at, errors)


def _address(value: str, type_: str | None, at: str, index: int, *, errors: Errors) -> None:
    path = f"{at}[{index}]"
    if type_ in {"IPv4", "IPv6"}:
        wrong = validate_ip(value, path)
        found = address(value)
        if not wrong and found and f"IPv{found.version}" != type_:
            wrong = [invalid(at, value, f"must be an {type_} address")]
        errors.extend(wrong or validate_endpoint_ip(value, path))
    elif type_ == "FQDN":
        name = value.removesuffix(".")
        wrong_name = dns1123_subdomain(name)
        if not value:
            errors.append(required(path))
        elif wrong_name:
            errors.append(invalid(path, name, ",".join(wrong_name)))
        elif "." not in name:
            text = "should be a domain with at least two segments separated by dots"
            errors.append(invalid(path, name, text))


def _endpoint(endpoint: Object, at: str, errors: Errors) -> None:
    node, host = endpoint.get("nodeName"), endpoint.get("hostname")
    if node is not None:
        errors.extend(invalid(f"{at}.nodeName", node, text) for text in dns1123_subdomain(node))
    if host is not None:
        errors.extend(invalid(f"{at}.hostname", host, text) for text in dns1123_label(host))
    topology = endpoint.get("deprecatedTopology") or {}
    if len(topology) > 16:
        errors.append(too_many(f"{at}.deprecatedTopology", len(topology), 16))
    validate_labels(topology, f"{at}.deprecatedTopology", errors)
    hints = endpoint.get("hints") or {}
    for field, rule in (("forZones", label_value), ("forNodes", dns1123_subdomain)):
        path, names = f"{at}.hints.{field}", [one.get("name") for one in hints.get(field) or ()]
        if len(names) > 8:
            errors.append(too_many(path, len(names), 8))
            continue
        for number, name in enumerate(names):
            if name in names[:number]:
                errors.append(duplicate(f"{path}[{number}].name", name))
            wrong = rule(name or "")
            errors.extend(invalid(f"{path}[{number}].name", name, text) for text in wrong)


def _shown_ports(endpoint_slice: Object, _: datetime.datetime) -> str:
    ports = endpoint_slice.get("ports") or ()
    return limited([str(_port_text(port)) for port in ports])


def _port_text(port: Object) -> object:
    if port.get("port") is not None:
        return port["port"]
    return port["name"] if port.get("name") is not None else "*"


def _shown_endpoints(endpoint_slice: Object, _: datetime.datetime) -> str:
    endpoints = endpoint_slice.get("endpoints") or ()
    return limited([ip for endpoint in endpoints for ip in endpoint.get("addresses") or ()])


ENDPOINT_SLICE = Kind(
    default=_default,
    prepare_update=_prepare_update,
    validate_create=_validate,
    validate_update=_validate_update,
    columns=(
        NAME,
        Column("AddressType", text("addressType")),
        Column("Ports", _shown_ports),
        Column("Endpoints", _shown_endpoints),
        AGE,
    ),
)
