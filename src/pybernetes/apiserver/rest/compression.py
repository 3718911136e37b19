# SPDX-License-Identifier: Apache-2.0
"""Big lists go out compressed to clients that take gzip; the biggest are compressed in a thread."""

import gzip
from collections.abc import Awaitable

from pybernetes.apiserver.context import Context, Core
from pybernetes.wire.types import Response

_LEAST = 128 * 1024  # upstream's threshold
_INLINE = 512 * 1024


def compressed(core: Core, ctx: Context, reply: Response) -> Response | Awaitable[Response]:
    """`reply`, its body as gzip if that pays."""
    size = len(reply.body)
    if size < _LEAST or "gzip" not in ctx.request.headers.get("accept-encoding", ""):
        return reply
    if size > _INLINE:
        return _later(core, reply)
    return _packed(reply, _pack(reply.body))


async def _later(core: Core, reply: Response) -> Response:
    return _packed(reply, await core.env.offload.run(_pack, reply.body))


def _pack(body: bytes) -> bytes:
    return gzip.compress(body, 1, mtime=0)


def _packed(reply: Response, body: bytes) -> Response:
    headers = (*reply.headers, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))
    return Response(reply.status, body, reply.content_type, headers)
