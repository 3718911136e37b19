# SPDX-License-Identifier: Apache-2.0
"""Endpoints that answer one path with one document."""

import platform
from collections.abc import Callable, Mapping

from pybernetes.apimachinery.types import Object
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.dispatch import not_allowed
from pybernetes.apiserver.rest.reply import object_reply
from pybernetes.base import metrics
from pybernetes.base.env import Env
from pybernetes.wire.types import Response

Document = Callable[[Context], Response]


class Documents:
    """path -> its document; GET only. `paths` lists what / shows besides."""

    def __init__(self, table: Mapping[str, Document], paths: Callable[[], list[str]]) -> None:
        self._table = table
        self._paths = paths

    def __call__(self, ctx: Context) -> Response | None:
        path = ctx.info.path.rstrip("/")
        if not path:
            listed = sorted({*self._paths(), *self._table})
            return object_reply(ctx, {"paths": listed})
        document = self._table.get(path)
        if document is None:
            return None
        if ctx.request.method not in ("GET", "HEAD"):
            raise not_allowed(ctx)
        return document(ctx)


def metrics_document(env: Env) -> Document:
    def document(_: Context) -> Response:
        content_type, body = metrics.exposition(env)
        return Response(200, body, content_type)

    return document


MAJOR, MINOR, PATCH = "1", "37", "1"


def version_info() -> Object:
    """Which Kubernetes we are."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": MAJOR,
        "minor": MINOR,
        "emulationMajor": MAJOR,
        "emulationMinor": MINOR,
        "minCompatibilityMajor": MAJOR,
        "minCompatibilityMinor": "36",
        "gitVersion": f"v{MAJOR}.{MINOR}.{PATCH}+pybernetes",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "cpython" + platform.python_version(),
        "platform": f"linux/{machine}",
    }
