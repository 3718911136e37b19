# SPDX-License-Identifier: Apache-2.0
"""GET of one object: answered at once from the cache, unless the cache has to catch up first."""

from collections.abc import Awaitable

from pybernetes.apimachinery.errors import not_found
from pybernetes.apiserver.cache.entry import Entry
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.rest import versions
from pybernetes.apiserver.rest.reply import entry_reply
from pybernetes.wire.types import Response


def get(ctx: Context) -> Response | Awaitable[Response]:
    """The object. "" reads the newest, "0" anything, another revision at least that one."""
    revision = -1
    if ctx.params:
        revision = versions.parse_revision(ctx.param("resourceVersion"))
    if revision < 0:
        revision = ctx.core.newest
    return versions.when(ctx, revision, _answer)


def _answer(ctx: Context) -> Response:
    return entry_reply(ctx, find(ctx))


def find(ctx: Context) -> Entry:
    """The object this request names. Raises 404."""
    entry = ctx.serving.entry(ctx.info.namespace, ctx.info.name)
    if entry is None:
        raise not_found(ctx.info.resource, ctx.info.group, ctx.info.name)
    return entry
