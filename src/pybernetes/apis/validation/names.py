# SPDX-License-Identifier: Apache-2.0
"""Formats of names, labels and keys: each function returns what is wrong with a value.

An empty list means that the value is fine. Wording and patterns are upstream's
(k8s.io/apimachinery/pkg/util/validation and pkg/api/validate/content).
"""

import re

from pybernetes.apimachinery.field import Errors, Path, invalid, required
from pybernetes.apimachinery.names import label_key as qualified_name
from pybernetes.apimachinery.names import label_value, regex_error

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = _LABEL + "(\\." + _LABEL + ")*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_PERCENT = "[0-9]+%"
_HEADER = "[-A-Za-z0-9]+"
_WILDCARD = "\\*\\." + _SUBDOMAIN
_HTTP_PATH = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+"

_label = re.compile(_LABEL).fullmatch
_subdomain = re.compile(_SUBDOMAIN).fullmatch
_label_1035 = re.compile(_LABEL_1035).fullmatch
_config_key = re.compile(_CONFIG_KEY).fullmatch
_percent = re.compile(_PERCENT).fullmatch
_header = re.compile(_HEADER).fullmatch
_wildcard = re.compile(_WILDCARD).fullmatch
_http_path = re.compile(_HTTP_PATH).fullmatch
_port_letters = re.compile("[-a-z0-9]+").fullmatch
_letter = re.compile("[a-z]").search
_printable = re.compile("[ -<>-~]*").fullmatch  # printable ASCII without "="

__all__ = ["label_value", "qualified_name"]  # upstream keeps them here, too
EMPTY = "must be non-empty"
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
    "'-' or '.', and must start and end with an alphanumeric character"
)
_LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character"
)
_RELAXED_ENV_TEXT = (
    "a valid environment variable name must consist only of printable ASCII characters other "
    "than '='"
)
_CONFIG_KEY_TEXT = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
_PERCENT_TEXT = "a valid percent string must be a numeric string followed by an ending '%'"
_HEADER_TEXT = "a valid HTTP header must consist of alphanumeric characters or '-'"
_WILDCARD_TEXT = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which "
    "must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric "
    "character"
)


def too_long(maximum: int) -> str:
    return f"must be no more than {maximum} characters"


def in_range(low: int, high: int) -> str:
    return f"must be between {low} and {high}, inclusive"


def dns1123_label(value: str) -> list[str]:
    if _label(value) and len(value) <= 63:
        return []
    found = [too_long(63)] if len(value) > 63 else []
    if not _label(value):
        dotted = _subdomain(value)
        text = regex_error(_LABEL_TEXT, _LABEL, "my-name", "123-abc")
        found.append("must not contain dots" if dotted else text)
    return found


def dns1123_subdomain(value: str) -> list[str]:
    if _subdomain(value) and len(value) <= 253:
        return []
    found = [too_long(253)] if len(value) > 253 else []
    if not _subdomain(value):
        found.append(regex_error(_SUBDOMAIN_TEXT, _SUBDOMAIN, "example.com"))
    return found


def wildcard_subdomain(value: str) -> list[str]:
    found = [too_long(253)] if len(value) > 253 else []
    if not _wildcard(value):
        found.append(regex_error(_WILDCARD_TEXT, _WILDCARD, "*.example.com"))
    return found


def dns1035_label(value: str) -> list[str]:
    if _label_1035(value) and len(value) <= 63:
        return []
    found = [too_long(63)] if len(value) > 63 else []
    if not _label_1035(value):
        found.append(regex_error(_LABEL_1035_TEXT, _LABEL_1035, "my-name", "abc-123"))
    return found


def path_segment(value: str) -> list[str]:
    """Names of kinds that are only part of a URL, as those of RBAC."""
    if value in {".", ".."}:
        return [f"may not be '{value}'"]
    return [f"may not contain '{bad}'" for bad in ("/", "%") if bad in value]


def env_name(value: str) -> list[str]:
    """The relaxed rule, which holds since 1.34."""
    found = [] if value else [f"environment variable name {EMPTY}"]
    return found if _printable(value) else [*found, _RELAXED_ENV_TEXT]


def config_key(value: str) -> list[str]:
    found = [too_long(253)] if len(value) > 253 else []
    if not _config_key(value):
        found.append(regex_error(_CONFIG_KEY_TEXT, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    return found + _dots(value)


def _dots(value: str) -> list[str]:
    if value in {".", ".."}:
        return [f"must not be '{value}'"]
    return ["must not start with '..'"] if value.startswith("..") else []


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


def percent(value: str) -> list[str]:
    return [] if _percent(value) else [regex_error(_PERCENT_TEXT, _PERCENT, "1%", "93%")]


def header_name(value: str) -> list[str]:
    return [] if _header(value) else [regex_error(_HEADER_TEXT, _HEADER, "X-Header-Name")]


def user_id(value: int) -> list[str]:
    return [] if 0 <= value <= 2147483647 else [in_range(0, 2147483647)]


def domain_prefixed_path(value: str, path: Path | str) -> Errors:
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


def fully_qualified(value: str, path: Path | str) -> Errors:
    """A domain of at least three segments, as names of webhooks are."""
    if not value:
        return [required(path)]
    wrong = dns1123_subdomain(value)
    if wrong:
        return [invalid(path, value, ",".join(wrong))]
    if value.count(".") < 2:
        text = "should be a domain with at least three segments separated by dots"
        return [invalid(path, value, text)]
    return []


def generated(name: str) -> str:
    """What a generateName is checked as: a last dash is fine, a suffix follows it."""
    return name[:-2] + "a" if len(name) > 1 and name.endswith("-") else name
