# SPDX-License-Identifier: Apache-2.0
"""Where in the module cache upstream's facts are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

KUBERNETES = "1.37.1"


@dataclass(frozen=True, slots=True)
class Sources:
    """The module cache: .../pkg/mod."""

    cache: Path

    def module(self, name: str) -> Path:
        version = f"v{KUBERNETES}" if name == "kubernetes" else f"v0{KUBERNETES[1:]}"
        return self.cache / "k8s.io" / f"{name}@{version}"

    def text(self, module: str, path: str) -> str:
        return (self.module(module) / path).read_text()

    def discovery(self, group: str, version: str) -> dict[str, Any]:
        name = f"apis__{group}__{version}" if group else f"api__{version}"
        return self._json(f"api/discovery/{name}.json")

    def openapi(self, group: str, version: str) -> dict[str, Any]:
        name = f"apis__{group}__{version}" if group else f"api__{version}"
        return self._json(f"api/openapi-spec/v3/{name}_openapi.json")

    def _json(self, path: str) -> dict[str, Any]:
        loaded: dict[str, Any] = orjson.loads(self.text("kubernetes", path))
        return loaded
