# SPDX-License-Identifier: Apache-2.0
"""Build hook: writes the texts that `kubectl explain` shows, from the package kubernetes-validate.

The texts are upstream's, so they are not in the repository. Only they are taken from that package:
its schemas are rewritten. Without the package the build goes on, and explains with no texts.
"""

import gzip
import importlib.util
import json
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_DATA = Path("src/pybernetes/apis/data")
_TARGET = _DATA / "descriptions.jsonl.gz"
_RELEASE = "v1.37.0-local"


class Descriptions(BuildHookInterface):  # type: ignore[type-arg]
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        if write(root):
            build_data["artifacts"].append(_TARGET.as_posix())
        else:
            self.app.display_warning("kubernetes-validate is not installed: explain has no texts")


def write(root: Path) -> bool:
    """Write the file below `root`; False where there is no source."""
    spec = importlib.util.find_spec("kubernetes_validate")
    if spec is None or spec.origin is None:
        return False
    source = Path(spec.origin).parent / "kubernetes-json-schema" / _RELEASE / "_definitions.json"
    if not source.exists():
        return False
    published = json.loads(source.read_text())["$defs"]
    lines = [
        f"{name}\t{json.dumps(_texts(published[name]), ensure_ascii=False, separators=(',', ':'))}"
        for name in _wanted(root)
        if name in published
    ]
    (root / _TARGET).write_bytes(gzip.compress("\n".join(lines).encode(), 9, mtime=0))
    return True


def _wanted(root: Path) -> list[str]:
    """The types we publish."""
    text = gzip.decompress((root / _DATA / "builtin.jsonl.gz").read_bytes()).decode()
    return [json.loads(line)[0] for line in text.split("\n")[1:]]


def _texts(schema: dict[str, Any]) -> dict[str, str]:
    found = {"": schema.get("description", "")}
    for field, child in schema.get("properties", {}).items():
        found[field] = child.get("description", "")
    return {key: text for key, text in found.items() if text}


if __name__ == "__main__":
    write(Path(__file__).parent)
