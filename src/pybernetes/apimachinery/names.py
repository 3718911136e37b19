# SPDX-License-Identifier: Apache-2.0
"""Which texts are label keys and values: upstream's rules and words (k8s.io/apimachinery api/validate/content).

Every function returns the findings; none means the text is fine.
"""

import re
import sys
from collections.abc import Callable

_LABEL_CHARS = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
DNS_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{DNS_LABEL}(\.{DNS_LABEL})*"

_is_name = re.compile(_LABEL_CHARS).fullmatch

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


def rule(
    pattern: str, text: str, *examples: str, most: int = sys.maxsize, unit: str = "bytes"
) -> Callable[[str], list[str]]:
    """A pattern, what to say of a value that does not match, and the greatest length."""
    matches = re.compile(pattern).fullmatch

    def found(value: str) -> list[str]:
        long = len(value.encode() if unit == "bytes" else value) > most
        wrong = [f"must be no more than {most} {unit}"] if long else []
        return wrong if matches(value) else [*wrong, regex_error(text, pattern, *examples)]

    return found


_prefix = rule(SUBDOMAIN, SUBDOMAIN_TEXT, "example.com", most=253)
label_value = rule(f"({_LABEL_CHARS})?", _LABEL_VALUE, "MyValue", "my_value", "12345", most=63)


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
        found += ["prefix part " + message for message in _prefix(prefix)]
    if not name:
        found.append("name part must be non-empty")
    elif len(name.encode()) > 63:
        found.append("name part must be no more than 63 bytes")
    if not _is_name(name):
        message = regex_error(_ALPHANUMERIC, _LABEL_CHARS, "MyName", "my.name", "123-abc")
        found.append("name part " + message)
    return found
