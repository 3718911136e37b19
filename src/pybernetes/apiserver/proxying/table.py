# SPDX-License-Identifier: Apache-2.0
"""The connecting subresources as rows of the server's table: authorised, then passed on."""

from collections.abc import Mapping
from dataclasses import replace

from pybernetes.apiserver.authorization.forbidden import require
from pybernetes.apiserver.context import Context, Core
from pybernetes.apiserver.proxying.proxying import CONNECT, Proxying
from pybernetes.apiserver.reader import CacheReader
from pybernetes.apiserver.requestinfo import verb_of
from pybernetes.apiserver.rest.registry import Verb
from pybernetes.apiserver.types import Authorizer
from pybernetes.wire.types import Reply

_STREAMS = frozenset({"exec", "attach", "portforward"})

Table = Mapping[tuple[str, str, str], Mapping[str, Verb]]


def connect_table(core: Core, reader: CacheReader, authorizer: Authorizer) -> Table:
    """(group, resource, subresource) -> verb -> code, for every row of CONNECT."""
    proxying = Proxying(core.env, reader, core.dialer)

    async def connect(ctx: Context) -> Reply:
        info = ctx.info
        if info.subresource in _STREAMS and info.verb != "create":
            # a WebSocket is opened by GET, but what it does is create
            require(authorizer, ctx.user, replace(info, verb="create"))
        await core.feed.wait_fresh()
        return await proxying.handle(ctx.request, info)

    return {
        ("", resource, subresource): dict.fromkeys(map(verb_of, sorted(methods)), connect)
        for (resource, subresource), methods in CONNECT.items()
    }
