# SPDX-License-Identifier: Apache-2.0
"""Facts in struct tags of upstream's Go types: protobuf field numbers, inlined structs, type names."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from tools.schema.sources import Sources

_TYPE = re.compile(r"^type (\w+) (?:struct \{\n(.*?)^\}|=? ?([^\n{]+)$)", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^\s+(?:(\w+)\s+)?([\w.*\[\]]+)\s+`([^`]*)`", re.MULTILINE)
_TAG = re.compile(r'(\w+):"([^"]*)"')
_ROOTS = (
    ("api", "", "io.k8s.api"),
    ("apimachinery", "pkg/apis", "io.k8s.apimachinery.pkg.apis"),
    ("apiextensions-apiserver", "pkg/apis", "io.k8s.apiextensions-apiserver.pkg.apis"),
    ("kube-aggregator", "pkg/apis", "io.k8s.kube-aggregator.pkg.apis"),
)


@dataclass(frozen=True, slots=True)
class GoField:
    go_type: str
    number: int  # 0: not in protobuf
    repeated: bool
    json: str  # "" where the struct is inlined
    omits_zero: bool  # a zero value is left out of JSON


@dataclass(slots=True)
class GoTypes:
    """Structs and named types by published name (io.k8s.api.core.v1.Pod)."""

    structs: dict[str, list[GoField]] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)


def read(sources: Sources) -> GoTypes:
    found = GoTypes()
    for module, below, published in _ROOTS:
        root = sources.module(module) / below
        for path in sorted(root.glob("**/v*/*.go")):
            if not path.name.endswith("_test.go") and not path.name.startswith("zz_"):
                package = ".".join((published, *path.parent.relative_to(root).parts))
                _read_file(path, package, found)
    return found


def _read_file(path: Path, package: str, found: GoTypes) -> None:
    text = re.sub(r"^\s*//.*$", "", path.read_text(), flags=re.MULTILINE)
    text = re.sub(r"`\s*//.*$", "`", text, flags=re.MULTILINE)
    for name, body, alias in _TYPE.findall(text):
        if alias:
            found.named[f"{package}.{name}"] = alias.strip()
        else:
            fields = [_field(*match) for match in _FIELD.findall(body)]
            found.structs[f"{package}.{name}"] = [one for one in fields if one is not None]


def _field(_name: str, go_type: str, tags: str) -> GoField | None:
    tag = dict(_TAG.findall(tags))
    json, _, options = tag.get("json", "-").partition(",")
    parts = tag.get("protobuf", "").split(",")
    if json == "-":
        return None
    number = int(parts[1]) if len(parts) > 1 else 0
    repeated = len(parts) > 2 and parts[2] == "rep"
    omits = "omit" in options and not go_type.startswith("*")
    return GoField(go_type, number, repeated, json, omits)
