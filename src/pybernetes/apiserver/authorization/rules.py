# SPDX-License-Identifier: Apache-2.0
"""Policy rules: what one allows, whether some cover others, how messages show them."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from pybernetes.apimachinery.types import Object
from pybernetes.apiserver.types import RequestInfo

_ALL = "*"


class Rule(NamedTuple):
    """A PolicyRule made ready to be asked."""

    verbs: frozenset[str]
    groups: frozenset[str]
    resources: frozenset[str]
    names: frozenset[str]
    urls: tuple[str, ...]

    def covers_request(self, info: RequestInfo) -> bool:
        """True if the rule allows the request, whatever the object's name."""
        if info.verb not in self.verbs and _ALL not in self.verbs:
            return False
        if not info.is_resource:
            return any(url_matches(url, info.path) for url in self.urls)
        if info.group not in self.groups and _ALL not in self.groups:
            return False
        return resource_matches(self.resources, info.resource, info.subresource)


def compiled(rule: Object) -> Rule:
    return Rule(
        frozenset(rule.get("verbs") or ()),
        frozenset(rule.get("apiGroups") or ()),
        frozenset(rule.get("resources") or ()),
        frozenset(rule.get("resourceNames") or ()),
        tuple(rule.get("nonResourceURLs") or ()),
    )


def resource_matches(allowed: frozenset[str], resource: str, subresource: str) -> bool:
    if _ALL in allowed:
        return True
    if not subresource:
        return resource in allowed
    return f"{resource}/{subresource}" in allowed or f"*/{subresource}" in allowed


def url_matches(pattern: str, path: str) -> bool:
    """`pattern` is a path, or a prefix that ends in "*"."""
    return pattern == path or (pattern.endswith(_ALL) and path.startswith(pattern.rstrip(_ALL)))


def missing(owned: Sequence[Object], wanted: Iterable[Object]) -> list[Object]:
    """The parts of `wanted` that no rule of `owned` covers, one right each."""
    unknown = [rule for rule in wanted if rule not in owned]
    held = [compiled(rule) for rule in owned] if unknown else []
    parts = ((part, compiled(part)) for rule in unknown for part in _parts(rule))
    return [part for part, own in parts if not any(_covers(rule, own) for rule in held)]


def _parts(rule: Object) -> Iterator[Object]:
    for verb in rule.get("verbs") or ():
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                part = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
                for name in rule.get("resourceNames") or ():
                    yield {**part, "resourceNames": [name]}
                if not rule.get("resourceNames"):
                    yield part
        for url in rule.get("nonResourceURLs") or ():
            yield {"nonResourceURLs": [url], "verbs": [verb]}


def _covers(rule: Rule, part: Rule) -> bool:
    """`part` holds one verb, one resource or URL, and at most one name."""
    if not (part.verbs <= rule.verbs or _ALL in rule.verbs):
        return False
    if part.urls:
        return any(url_matches(url, part.urls[0]) for url in rule.urls)
    if not (part.groups <= rule.groups or _ALL in rule.groups):
        return False
    resource, _, subresource = next(iter(part.resources)).partition("/")
    if not resource_matches(rule.resources, resource, subresource):
        return False
    return not rule.names or (bool(part.names) and part.names <= rule.names)


def compact(parts: Iterable[Object]) -> list[Object]:
    """Rules that differ only by verb, joined."""
    joined: dict[str, Object] = {}
    for part in parts:
        key = json.dumps({name: value for name, value in part.items() if name != "verbs"})
        if key in joined:
            joined[key]["verbs"] = [*joined[key]["verbs"], *part["verbs"]]
        else:
            joined[key] = dict(part)
    return list(joined.values())


_SHOWN = (
    ("APIGroups", "apiGroups"),
    ("Resources", "resources"),
    ("NonResourceURLs", "nonResourceURLs"),
    ("ResourceNames", "resourceNames"),
    ("Verbs", "verbs"),
)


def show(rule: Object) -> str:
    """{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}"""
    parts = [f"{label}:{show_list(rule[key])}" for label, key in _SHOWN if rule.get(key)]
    return "{" + ", ".join(parts) + "}"


def show_list(items: Iterable[str]) -> str:
    return "[" + " ".join(json.dumps(item, ensure_ascii=False) for item in items) + "]"
