# SPDX-License-Identifier: Apache-2.0
"""/containerLogs: the query as what the reader takes, and the log as a streamed answer."""

import datetime
from collections.abc import AsyncIterator

from pybernetes.apimachinery import timestamps
from pybernetes.apimachinery.errors import ApiError
from pybernetes.kubelet.logs.reader import Wanted
from pybernetes.wire.stream import end
from pybernetes.wire.types import Reply, Response, StreamingResponse

_UNREADABLE = '{"message": "Unable to decode query."}'
_INVALID = '{"message": "Invalid request."}'
_STREAMS = frozenset({"All", "Stdout", "Stderr"})


def log_options(query: dict[str, list[str]], now: datetime.datetime) -> Wanted:
    """Decoded and checked as upstream does. Raises ApiError 400 or 422."""
    single = {name: values[0] for name, values in query.items()}
    if "tail" in single:  # upstream's older name
        single["tailLines"] = single["tail"]
        if single["tail"] == "all":
            del single["tailLines"]
    previous, stream = _flag(single, "previous"), single.get("stream", "") or "All"
    wanted = Wanted(
        follow=_flag(single, "follow") and not previous,
        previous=previous,
        timestamps=_flag(single, "timestamps"),
        since=_since(single, now),
        tail=_number(single, "tailLines", least=0),
        limit=_number(single, "limitBytes", least=1),
        stream="" if stream == "All" else stream.lower(),
    )
    if stream not in _STREAMS or (wanted.stream and wanted.tail is not None):
        raise ApiError(422, "Invalid", _INVALID)
    return wanted


def _flag(query: dict[str, str], name: str) -> bool:
    return name in query and query[name].lower() not in {"false", "0"}


def _number(query: dict[str, str], name: str, *, least: int) -> int | None:
    if name not in query:
        return None
    try:
        value = int(query[name])
    except ValueError as error:
        raise ApiError(400, "BadRequest", _UNREADABLE) from error
    if value < least:
        raise ApiError(422, "Invalid", _INVALID)
    return value


def _since(query: dict[str, str], now: datetime.datetime) -> str:
    """The first moment wanted, as log lines have it."""
    seconds, text = _number(query, "sinceSeconds", least=1), query.get("sinceTime", "")
    if text:
        try:
            moment = timestamps.parse(text).astimezone(datetime.UTC)
        except ValueError as error:
            raise ApiError(400, "BadRequest", _UNREADABLE) from error
        if seconds is not None:
            raise ApiError(422, "Invalid", _INVALID)
    elif seconds is None:
        return ""
    else:
        moment = now - datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")


async def stream_log(chunks: AsyncIterator[bytes]) -> Reply:
    """The log once its first bytes are there: before them a failure can still be the answer."""
    try:
        first = await anext(chunks)
    except StopAsyncIteration:
        return Response(200, b"", "text/plain")

    async def whole() -> AsyncIterator[bytes]:
        try:
            yield first
            async for chunk in chunks:
                yield chunk
        finally:
            await end(chunks)

    return StreamingResponse(whole(), 200, "text/plain")
