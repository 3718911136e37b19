# SPDX-License-Identifier: Apache-2.0
"""Which texts are label keys and values: upstream's rules and words (k8s.io/apimachinery api/validate/content).

Every function returns the findings; none means the text is fine.
"""

import re

_LABEL_CHARS = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
DNS_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{DNS_LABEL}(\.{DNS_LABEL})*"

_LABEL_RE = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?")
_SUBDOMAIN_RE = re.compile(SUBDOMAIN)

_ALPHANUMERIC = (
    "must consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character"
)
_LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, "
    "'-', '_' or '.', and must start and end with an alphanumeric character"
)
SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
    "'-' or '.', and must start and end with an alphanumeric character"
)


def regex_error(message: str, pattern: str, *examples: str) -> str:
    """Upstream's wording for a text that does not match a pattern."""
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{message} (e.g. {shown}regex used for validation is '{pattern}')"


def too_long(maximum: int) -> str:
    return f"must be no more than {maximum} bytes"


def label_key(text: str) -> list[str]:
    """A qualified name: [subdomain/]name."""
    prefix, slash, name = text.partition("/")
    if not slash:
        prefix, name = "", text
    if "/" in name:
        message = regex_error(
            "a valid label key " + _ALPHANUMERIC, _LABEL_CHARS, "MyName", "my.name", "123-abc"
        )
        return [
            message + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    found: list[str] = []
    if slash and not prefix:
        found.append("prefix part must be non-empty")
    elif slash:
        found += ["prefix part " + message for message in dns1123_subdomain(prefix)]
    if not name:
        found.append("name part must be non-empty")
    elif len(name.encode()) > 63:
        found.append("name part " + too_long(63))
    if not _LABEL_RE.fullmatch(name):
        message = regex_error(_ALPHANUMERIC, _LABEL_CHARS, "MyName", "my.name", "123-abc")
        found.append("name part " + message)
    return found


def label_value(text: str) -> list[str]:
    found = []
    if len(text.encode()) > 63:
        found.append(too_long(63))
    if text and not _LABEL_RE.fullmatch(text):
        found.append(
            regex_error(_LABEL_VALUE, f"({_LABEL_CHARS})?", "MyValue", "my_value", "12345")
        )
    return found


def dns1123_subdomain(text: str) -> list[str]:
    found = []
    if len(text.encode()) > 253:
        found.append(too_long(253))
    if not _SUBDOMAIN_RE.fullmatch(text):
        found.append(regex_error(SUBDOMAIN_TEXT, SUBDOMAIN, "example.com"))
    return found
