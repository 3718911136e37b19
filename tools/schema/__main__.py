# SPDX-License-Identifier: Apache-2.0
"""Writes the data file: python -m tools.schema MODULE_CACHE [OUTPUT]."""

import gzip
import sys
from pathlib import Path
from typing import Any

import orjson

from tools.schema import gotypes, groups, types
from tools.schema.sources import KUBERNETES, Sources

_OUTPUT = "src/pybernetes/apis/data/builtin.jsonl.gz"
_SHARED = {"DeleteOptions", "WatchEvent"}  # published once for all groups


def main(arguments: list[str]) -> None:
    sources = Sources(Path(arguments[0]))
    output = Path(arguments[1] if len(arguments) > 1 else _OUTPUT)
    go = gotypes.read(sources)
    served = groups.served(sources)
    nodes: dict[str, types.Node] = {}
    for group, version in served:
        for name, schema in sources.openapi(group, version)["components"]["schemas"].items():
            nodes[name] = types.distil(name, schema, go)
    header = {
        "version": KUBERNETES,
        "priorities": groups.priorities(sources, served),
        "resources": groups.resources(sources, served),
        "kinds": _kinds(nodes),
    }
    lines: list[Any] = [header, *([name, nodes[name]] for name in sorted(nodes))]
    text = b"\n".join(orjson.dumps(line) for line in lines)
    output.write_bytes(gzip.compress(text, 9, mtime=0))
    print(
        f"{len(nodes)} types, {len(header['resources'])} resources, {output.stat().st_size} bytes"
    )


def _kinds(nodes: dict[str, types.Node]) -> dict[str, str]:
    """ "apps/v1/Deployment" -> the name of its type."""
    found: dict[str, str] = {}
    for name in sorted(nodes):
        for group, version, kind in nodes[name].get("gvk", ()):
            if kind not in _SHARED:
                found[f"{group}/{version}/{kind}"] = name
    return found


main(sys.argv[1:])
