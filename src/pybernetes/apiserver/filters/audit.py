# SPDX-License-Identifier: Apache-2.0
"""Headers that every answer carries (the audit ID, no caching, warnings), and the audit log."""

import logging
from datetime import timedelta
from logging.handlers import RotatingFileHandler

import orjson

from pybernetes.apimachinery.timestamps import rfc3339_micro
from pybernetes.apimachinery.types import Object
from pybernetes.apiserver.config import Config
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.filters.inflight import is_long_running
from pybernetes.apiserver.filters.types import Filter
from pybernetes.base.env import Env
from pybernetes.wire.types import Reply, Response, StreamingResponse

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


class AuditLog(Filter):
    """One audit.k8s.io/v1 Event a line, level Metadata, when a request's answer leaves.

    Who did what, and what came of it; bodies are never logged. Wraps all other filters, so that
    refusals are logged too. `user` is who a request acts as.
    """

    def __init__(self, config: Config) -> None:
        self._handler = RotatingFileHandler(
            config.audit_log_path,
            maxBytes=config.audit_log_maxsize << 20,
            backupCount=config.audit_log_maxbackup,
        )

    def leave(self, ctx: Context, reply: Reply) -> None:
        line = orjson.dumps(_event(ctx, reply)).decode()
        self._handler.handle(logging.LogRecord("audit", 20, "", 0, line, None, None))

    def close(self) -> None:
        self._handler.close()


def _event(ctx: Context, reply: Reply) -> Object:
    info, user, clock = ctx.info, ctx.user, ctx.core.env.clock
    now = clock.now()
    began = now - timedelta(seconds=clock.monotonic() - ctx.started)
    code = reply.status if isinstance(reply, Response | StreamingResponse) else 101
    query = f"?{ctx.request.query}" if ctx.request.query else ""
    event: Object = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": ctx.audit_id,
        "stage": "ResponseStarted" if is_long_running(ctx) else "ResponseComplete",
        "requestURI": f"{ctx.request.path}{query}",
        "verb": info.verb,
        "user": {"username": user.name, "groups": list(user.groups)},
        "userAgent": ctx.request.headers.get("user-agent", ""),
        "responseStatus": {"code": code},
        "requestReceivedTimestamp": rfc3339_micro(began),
        "stageTimestamp": rfc3339_micro(now),
    }
    if info.is_resource:
        named = {
            "resource": info.resource,
            "namespace": info.namespace,
            "name": info.name,
            "apiGroup": info.group,
            "apiVersion": info.version,
            "subresource": info.subresource,
        }
        event["objectRef"] = {key: value for key, value in named.items() if value}
    return event
