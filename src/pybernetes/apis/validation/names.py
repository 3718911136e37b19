# SPDX-License-Identifier: Apache-2.0
"""Formats of names, labels and keys: each function returns what is wrong with a value.

An empty list means that the value is fine. Wording and patterns are upstream's
(k8s.io/apimachinery/pkg/util/validation and pkg/api/validate/content).
"""

import re
from typing import Any

from pybernetes.apimachinery.field import Errors, invalid, required
from pybernetes.apimachinery.names import (
    DNS_LABEL,
    SUBDOMAIN,
    SUBDOMAIN_TEXT,
    label_key,
    label_value,
    regex_error,
    rule,
)

__all__ = ["label_value", "qualified_name"]  # upstream keeps them here, too

qualified_name = label_key
_HTTP_PATH = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+"
_label = re.compile(DNS_LABEL).fullmatch
_subdomain = re.compile(SUBDOMAIN).fullmatch
_http_path = re.compile(_HTTP_PATH).fullmatch
_port_letters = re.compile("[-a-z0-9]+").fullmatch
_letter = re.compile("[a-z]").search
_printable = re.compile("[ -<>-~]*").fullmatch  # printable ASCII without "="

_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)
_RELAXED_ENV_TEXT = (
    "a valid environment variable name must consist only of printable ASCII characters other "
    "than '='"
)


def too_long(maximum: int) -> str:
    return f"must be no more than {maximum} characters"


def in_range(low: int, high: int) -> str:
    return f"must be between {low} and {high}, inclusive"


dns1123_subdomain = rule(SUBDOMAIN, SUBDOMAIN_TEXT, "example.com", most=253, unit="characters")
percent = rule(
    "[0-9]+%",
    "a valid percent string must be a numeric string followed by an ending '%'",
    "1%",
    "93%",
)
header_name = rule(
    "[-A-Za-z0-9]+",
    "a valid HTTP header must consist of alphanumeric characters or '-'",
    "X-Header-Name",
)
_config_key = rule(
    "[-._a-zA-Z0-9]+",
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    "key.name",
    "KEY_NAME",
    "key-name",
    most=253,
    unit="characters",
)


def dns1123_label(value: str) -> list[str]:
    matched = _label(value)
    if matched and len(value) <= 63:
        return []
    found = [too_long(63)] if len(value) > 63 else []
    if not matched:
        dotted = _subdomain(value)
        text = regex_error(_LABEL_TEXT, DNS_LABEL, "my-name", "123-abc")
        found.append("must not contain dots" if dotted else text)
    return found


def path_segment(value: str) -> list[str]:
    """Names of kinds that are only part of a URL, as those of RBAC."""
    if value in {".", ".."}:
        return [f"may not be '{value}'"]
    return [f"may not contain '{bad}'" for bad in ("/", "%") if bad in value]


def env_name(value: str) -> list[str]:
    """The relaxed rule, which holds since 1.34."""
    found = [] if value else ["environment variable name must be non-empty"]
    return found if _printable(value) else [*found, _RELAXED_ENV_TEXT]


def config_key(value: str) -> list[str]:
    found = _config_key(value)
    if value in {".", ".."}:
        return [*found, f"must not be '{value}'"]
    return [*found, "must not start with '..'"] if value.startswith("..") else found


def no_backsteps(path: str) -> list[str]:
    return ["must not contain '..'"] if ".." in path.split("/") else []


def port_number(value: int) -> list[str]:
    return [] if 1 <= value <= 65535 else [in_range(1, 65535)]


def port_name(value: str) -> list[str]:
    found = [too_long(15)] if len(value) > 15 else []
    if not _port_letters(value):
        found.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not _letter(value):
        found.append("must contain at least one letter (a-z)")
    if "--" in value:
        found.append("must not contain consecutive hyphens")
    if value and "-" in {value[0], value[-1]}:
        found.append("must not begin or end with a hyphen")
    return found


def user_id(value: int) -> list[str]:
    return [] if 0 <= value <= 2147483647 else [in_range(0, 2147483647)]


def domain_prefixed_path(value: str, path: str) -> Errors:
    """Such as "acme.io/foo"."""
    if not value:
        return [required(path)]
    host, _, rest = value.partition("/")
    if not host or not rest:
        return [invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")')]
    errors = [invalid(path, host, text) for text in dns1123_subdomain(host)]
    if not _http_path(rest):
        text = f"Invalid path (regex used for validation is '{_HTTP_PATH}')"
        errors.append(invalid(path, rest, text))
    return errors


def generated(name: str) -> str:
    """What a generateName is checked as: a last dash is fine, a suffix follows it."""
    return name[:-2] + "a" if len(name) > 1 and name.endswith("-") else name


def count_or_percent(value: Any) -> list[str]:
    """A rule: a count that is not negative, or a percentage."""
    if isinstance(value, str):
        return percent(value)
    return ["must be greater than or equal to 0"] if value < 0 else []


def at_most_all(value: Any) -> list[str]:
    """A rule: at most 100 %."""
    more = isinstance(value, str) and not percent(value) and int(value[:-1]) > 100
    return ["must not be greater than 100%"] if more else []
