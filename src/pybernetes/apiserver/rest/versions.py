# SPDX-License-Identifier: Apache-2.0
"""resourceVersion, resourceVersionMatch, limit and continue of reads: parsed and checked."""

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import orjson

from pybernetes.apimachinery import field
from pybernetes.apimachinery.errors import (
    ApiError,
    bad_request,
    expired,
    invalid,
    service_unavailable,
)
from pybernetes.apiserver.context import NEWEST, Context, Core
from pybernetes.apiserver.rest.options import findings, integer

EXACT = "Exact"
Answer = TypeVar("Answer")
_INITIAL = "sendInitialEvents"
_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start"
    " a new list without the continue parameter, or use the continue token in this response to"
    " retrieve the remainder of the results. Continuing with the provided token results in an"
    " inconsistent list - objects that were created, modified, or deleted between the time the"
    " first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class ListOptions:
    """`revision` -1: none given (read the newest). `start`: key to go on from."""

    revision: int = -1
    match: str = ""
    limit: int = 0
    start: str = ""
    continued: int = 0  # revision of the list that is continued; -1: inconsistent continuation


def parse_revision(text: str) -> int:
    if not text:
        return -1
    if not (text.isascii() and text.isdigit()):
        why = f"Invalid value: {field.show(text)}: "
        wrong = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise bad_request(f"resourceVersion: {why}{why}{wrong}")
    return int(text)


def list_options(ctx: Context) -> ListOptions:
    """The options of a list. Raises 400 and 422."""
    check_options(ctx, "list")
    version, token = ctx.param("resourceVersion"), ctx.param("continue")
    limit = max(integer(ctx.param("limit") or "0"), 0)
    if not token:
        return ListOptions(parse_revision(version), ctx.param("resourceVersionMatch"), limit)
    if version not in ("", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")
    continued, start = decode_token(token)
    return ListOptions(-1, "", limit, start, continued)


def check_options(ctx: Context, verb: str) -> None:
    """What options.txt says of the options of list or watch. Raises 422."""
    given = {name: ctx.param(name) for name in ctx.params}
    errors = findings(verb, {k: text for k, text in given.items() if text or k == _INITIAL})
    if errors:
        raise invalid("ListOptions", "meta.k8s.io", "", errors)


def encode_token(revision: int, start: str) -> str:
    """A continue token. `start`: the first key that the next list may have."""
    token = {"v": "meta.k8s.io/v1", "rv": revision, "start": start}
    return base64.urlsafe_b64encode(orjson.dumps(token)).decode().rstrip("=")


def decode_token(text: str) -> tuple[int, str]:
    """(revision, key to begin with) of a continue token. Raises 400."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        token = orjson.loads(raw)
        version, revision, start = token["v"], token["rv"], token["start"]
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise bad_request(f"continue key is not valid: {error}") from None
    if version != "meta.k8s.io/v1" or not isinstance(revision, int) or not start:
        raise bad_request(
            f'continue key is not valid: server does not recognize this encoded version "{version}"'
        )
    return revision, str(start)


def token_expired(start: str) -> ApiError:
    """410 with a token that goes on inconsistently."""
    error = expired(_EXPIRED)
    error.list_meta = {"continue": encode_token(-1, start)}
    return error


def too_old(revision: int, floor: int) -> ApiError:
    return expired(f"too old resource version: {revision} ({floor})")


def when(
    ctx: Context, revision: int, answer: Callable[[Context], Answer | Awaitable[Answer]]
) -> Answer | Awaitable[Answer]:
    """`answer(ctx)`: at once where the caches have reached `revision`, else when they have."""
    return answer(ctx) if ctx.core.feed.revision >= revision else _later(ctx, revision, answer)


async def _later(
    ctx: Context, revision: int, answer: Callable[[Context], Answer | Awaitable[Answer]]
) -> Answer:
    await wait_for(ctx.core, revision)
    found = answer(ctx)
    return await found if isinstance(found, Awaitable) else found


async def wait_for(core: Core, revision: int) -> None:
    """Wait until the caches have reached `revision`; 504 where that does not come in 3 s.

    NEWEST: whatever the store has by now; 503 where it does not say.
    """
    try:
        async with asyncio.timeout(3.0):
            await (core.feed.wait_fresh() if revision == NEWEST else core.feed.wait(revision))
    except TimeoutError:
        if revision == NEWEST:
            raise service_unavailable("the store does not answer") from None
        text = "Too large resource version"
        causes = [{"reason": "ResourceVersionTooLarge", "message": text}]
        details = {"causes": causes, "retryAfterSeconds": 1}
        message = f"{text}: {revision}, current: {core.feed.revision}"
        raise ApiError(504, "Timeout", message, details) from None
