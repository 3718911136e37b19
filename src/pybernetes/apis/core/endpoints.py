# SPDX-License-Identifier: Apache-2.0
"""EndpointSlice (some of a service's endpoints, all of one family), and Endpoints, its older form."""

import datetime

from pybernetes.apimachinery.types import Object
from pybernetes.apis import rules
from pybernetes.apis.validation.addresses import address, endpoint_ip, ip
from pybernetes.apis.validation.names import dns1123_subdomain
from pybernetes.apis.validation.part import Part


def validate_endpoints_update(part: Part, old: Object) -> None:
    if part.get("subsets") != old.get("subsets"):
        rules.of("io.k8s.api.core.v1.Endpoints").check(part)


def shown_subsets(endpoints: Object, _: datetime.datetime) -> str:
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


def validate_slice(part: Part) -> None:
    """Each address is one of the slice's type."""
    if len(part.get("endpoints") or ()) <= 1000:
        for endpoint in part.each("endpoints"):
            for number, value in enumerate(endpoint.get("addresses") or ()):
                _address(endpoint, value, part.get("addressType"), f"addresses[{number}]")


def forgive_unchanged(part: Part, old: Object) -> None:
    """Endpoints that were accepted once stay so."""
    if part.get("endpoints") == old.get("endpoints"):
        kept = [error for error in part.errors if not error.field.startswith("endpoints")]
        part.errors[:] = kept


def _address(endpoint: Part, value: str, type_: str | None, path: str) -> None:
    if type_ in {"IPv4", "IPv6"}:
        found = address(value)
        if found and f"IPv{found.version}" != type_ and not ip(value):
            endpoint.invalid("addresses", value, f"must be an {type_} address")
        else:
            endpoint.wrong(path, value, endpoint_ip(value))
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


def shown_ports(endpoint_slice: Object, _: datetime.datetime) -> str:
    return _limited([str(_port_text(port)) for port in endpoint_slice.get("ports") or ()])


def _port_text(port: Object) -> object:
    if port.get("port") is not None:
        return port["port"]
    return port["name"] if port.get("name") is not None else "*"


def shown_endpoints(endpoint_slice: Object, _: datetime.datetime) -> str:
    endpoints = endpoint_slice.get("endpoints") or ()
    return _limited([ip for endpoint in endpoints for ip in endpoint.get("addresses") or ()])
