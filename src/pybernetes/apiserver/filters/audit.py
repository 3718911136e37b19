# SPDX-License-Identifier: Apache-2.0
"""Headers that every answer carries: the audit ID, no caching, and the warnings of the request."""

from pybernetes.apiserver.context import Context
from pybernetes.apiserver.filters.types import Filter
from pybernetes.base.env import Env
from pybernetes.wire.types import Reply

_NO_CACHE = ("Cache-Control", "no-cache, private")
_WARNINGS_LIMIT = 4096


def quoted(text: str) -> str:
    """A warning's text as a quoted string (RFC 2616), without control characters."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Headers(Filter):
    """Audit-Id, Cache-Control and Warning."""

    def __init__(self, env: Env) -> None:
        self._random = env.random.child("audit")

    def enter(self, ctx: Context) -> None:
        given = ctx.request.headers.get("audit-id", "")
        ctx.audit_id = given[:64] or self._random.uuid()

    def leave(self, ctx: Context, reply: Reply) -> None:
        headers = (("Audit-Id", ctx.audit_id), _NO_CACHE, *ctx.headers)
        if ctx.warnings:
            headers = (*headers, *self._warnings(ctx))
        reply.headers = (*reply.headers, *headers) if reply.headers else headers

    @staticmethod
    def _warnings(ctx: Context) -> list[tuple[str, str]]:
        shown, size = [], 0
        for text in ctx.warnings:
            size += len(text)
            if size > _WARNINGS_LIMIT:
                break
            shown.append(("Warning", "299 - " + quoted(text)))
        return shown
