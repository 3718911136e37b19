# SPDX-License-Identifier: Apache-2.0
"""Endpoints: the older form of EndpointSlices."""

import datetime

from pybernetes.apimachinery.field import Errors, invalid, not_supported, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME
from pybernetes.apis.core.podspec.defaults import fill
from pybernetes.apis.core.servicevalidation import PROTOCOLS
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.addresses import validate_endpoint_ip, validate_ip
from pybernetes.apis.validation.names import (
    dns1123_label,
    dns1123_subdomain,
    port_number,
    qualified_name,
)


def _default(endpoints: Object) -> None:
    for subset in endpoints.get("subsets") or ():
        for port in subset.get("ports") or ():
            fill(port, {"protocol": "TCP"})


def _validate(endpoints: Object) -> Errors:
    errors: Errors = []
    for number, subset in enumerate(endpoints.get("subsets") or ()):
        at = f"subsets[{number}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            errors.append(required(at, "must specify `addresses` or `notReadyAddresses`"))
        for field in ("addresses", "notReadyAddresses"):
            for index, address in enumerate(subset.get(field) or ()):
                _address(address, f"{at}.{field}[{index}]", errors)
        ports = subset.get("ports") or ()
        for index, port in enumerate(ports):
            _port(port, len(ports) > 1, f"{at}.ports[{index}]", errors)
    return errors


def _address(address: Object, at: str, errors: Errors) -> None:
    ip, host, node = (address.get(field) for field in ("ip", "hostname", "nodeName"))
    wrong = validate_ip(ip or "", f"{at}.ip")
    errors.extend(wrong or validate_endpoint_ip(ip or "", f"{at}.ip"))
    if host:
        errors.extend(invalid(f"{at}.hostname", host, text) for text in dns1123_label(host))
    if node is not None:
        errors.extend(invalid(f"{at}.nodeName", node, text) for text in dns1123_subdomain(node))


def _port(port: Object, named: bool, at: str, errors: Errors) -> None:
    name, protocol, application = (port.get(key) for key in ("name", "protocol", "appProtocol"))
    if named and not name:
        errors.append(required(f"{at}.name"))
    elif name:
        errors.extend(invalid(f"{at}.name", name, text) for text in dns1123_label(name))
    number = port.get("port") or 0
    errors.extend(invalid(f"{at}.port", number, text) for text in port_number(number))
    if protocol not in PROTOCOLS:
        errors.append(not_supported(f"{at}.protocol", protocol, PROTOCOLS))
    if application is not None:
        wrong = qualified_name(application)
        errors.extend(invalid(f"{at}.appProtocol", application, text) for text in wrong)


def _validate_update(new: Object, old: Object) -> Errors:
    return [] if new.get("subsets") == old.get("subsets") else _validate(new)


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
    return limited(found, empty="")


def limited(found: list[str], most: int = 3, empty: str = "<unset>") -> str:
    """The first few of a list, and how many more there are."""
    shown = ",".join(found[:most])
    return f"{shown} + {len(found) - most} more..." if len(found) > most else shown or empty


ENDPOINTS = Kind(
    default=_default,
    validate_create=_validate,
    validate_update=_validate_update,
    create_on_update=True,
    columns=(NAME, Column("Endpoints", _shown), AGE),
)
