# SPDX-License-Identifier: Apache-2.0
"""/openapi/v2 (JSON and protobuf) and /openapi/v3: published documents, built on first use."""

from collections.abc import Awaitable

from pybernetes.apis.openapi import published
from pybernetes.apis.openapi.published import PROTOBUF_V2, PROTOBUF_V2_ANSWER, Document
from pybernetes.apiserver.context import Context, Core
from pybernetes.apiserver.dispatch import no_such_path
from pybernetes.apiserver.rest.reply import tagged
from pybernetes.wire.types import Response


class OpenApiEndpoint:
    """Documents are made in a thread: the first one takes long."""

    def __init__(self, core: Core) -> None:
        self._run = core.env.offload.run

    def __call__(self, ctx: Context) -> Response | Awaitable[Response] | None:
        path = ctx.info.path.rstrip("/")
        if path == "/openapi/v2":
            return self._v2(ctx)
        if path == "/openapi/v3":
            return _reply(ctx, published.v3_index())
        if path.startswith("/openapi/v3/api"):
            return self._v3(ctx, path.removeprefix("/openapi/v3/").split("/"))
        return None

    async def _v2(self, ctx: Context) -> Response:
        accept = ctx.request.headers.get("accept", "")
        if PROTOBUF_V2 in accept or PROTOBUF_V2_ANSWER in accept:
            document = await self._run(published.v2_protobuf)
            return _reply(ctx, document, PROTOBUF_V2_ANSWER)
        return _reply(ctx, await self._run(published.v2_json))

    async def _v3(self, ctx: Context, parts: list[str]) -> Response:
        group, version = ("", parts[-1]) if parts[0] == "api" else (parts[-2], parts[-1])
        document = None
        if len(parts) == (2 if parts[0] == "api" else 3):
            document = await self._run(published.v3_document, group, version)
        if document is None:
            raise no_such_path()
        return _reply(ctx, document)


def _reply(ctx: Context, document: Document, content: str = "application/json") -> Response:
    return tagged(ctx, document.body, document.etag, content, vary="Accept-Encoding, Accept")
