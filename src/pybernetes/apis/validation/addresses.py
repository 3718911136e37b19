# SPDX-License-Identifier: Apache-2.0
"""IP addresses, CIDRs and ports: what is wrong with them, in upstream's words."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from pybernetes.apis.validation.names import port_name, port_number
from pybernetes.apis.validation.part import Part

_LEADING_ZERO = re.compile(r"(^|\.)0[0-9]")
_LOCAL_MULTICAST = ip_network("224.0.0.0/24"), ip_network("ff02::/16")
_NO_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_NO_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def address(value: str) -> IPv4Address | IPv6Address | None:
    """The address that a text is; None if it is none."""
    try:
        return ip_address(value)
    except ValueError:
        return None


def ip(value: str) -> list[str]:
    """A rule: an address in its usual form."""
    found = address(value)
    if found is None:
        zeros = _LEADING_ZERO.search(value) and address(_LEADING_ZERO.sub(r"\g<1>", value))
        return ["must not have leading 0s" if zeros else _NO_IP]
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        return ["must not be an IPv4-mapped IPv6 address"]
    return []


def cidr(value: str) -> list[str]:
    """A rule: a network's address and the length of its prefix."""
    host, slash, _ = value.partition("/")
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        return [_NO_CIDR]
    if not slash:
        return [_NO_CIDR]
    if address(host) != network.network_address:
        return [f'must not have bits set beyond the prefix length (should be "{network}")']
    return []


def endpoint_ip(value: str) -> list[str]:
    """A rule: an address that traffic may be sent to."""
    return ip(value) or not_local(value)


def not_local(value: str) -> list[str]:
    """A rule: an address that is not local to a host or a link."""
    found = address(value)
    if found is None:
        return [_NO_IP]
    checks = (
        (found.is_unspecified, f"may not be unspecified ({value})"),
        (found.is_loopback, "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        (found.is_link_local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
        (
            any(found in network for network in _LOCAL_MULTICAST),
            "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)",
        ),
    )
    return [text for wrong, text in checks if wrong]


def validate_port(part: Part, field: str = "port") -> None:
    """A port's number, or its name where it is text."""
    value = part.get(field)
    wrong = port_name(value) if isinstance(value, str) else port_number(value or 0)
    part.wrong(field, value, wrong)
