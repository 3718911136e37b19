# SPDX-License-Identifier: Apache-2.0
"""/containerLogs: the query as LogOptions, and the log as a streamed answer."""

from collections.abc import AsyncIterator

from pybernetes.apimachinery import timestamps
from pybernetes.apimachinery.errors import ApiError
from pybernetes.kubelet.logs.reader import LogOptions
from pybernetes.wire.types import Reply, Response, StreamingResponse

_UNREADABLE = '{"message": "Unable to decode query."}'
_INVALID = '{"message": "Invalid request."}'
_STREAMS = frozenset({"All", "Stdout", "Stderr"})


def log_options(query: dict[str, list[str]]) -> LogOptions:
    """Decoded and checked as upstream does. Raises ApiError 400 or 422."""
    single = {name: values[0] for name, values in query.items()}
    if "tail" in single:  # upstream's older name
        single["tailLines"] = single["tail"]
        if single["tail"] == "all":
            del single["tailLines"]
    options = LogOptions(
        follow=_flag(single, "follow"),
        previous=_flag(single, "previous"),
        timestamps=_flag(single, "timestamps"),
        since_time=single.get("sinceTime", ""),
        since_seconds=_number(single, "sinceSeconds"),
        tail_lines=_number(single, "tailLines"),
        limit_bytes=_number(single, "limitBytes"),
        stream=single.get("stream", "") or "All",
    )
    if not _valid(options):
        raise ApiError(422, "Invalid", _INVALID)
    return options


def _flag(query: dict[str, str], name: str) -> bool:
    return name in query and query[name].lower() not in {"false", "0"}


def _number(query: dict[str, str], name: str) -> int | None:
    if name not in query:
        return None
    try:
        return int(query[name])
    except ValueError as error:
        raise ApiError(400, "BadRequest", _UNREADABLE) from error


def _valid(options: LogOptions) -> bool:
    if options.since_time:
        try:
            timestamps.parse(options.since_time)
        except ValueError as error:
            raise ApiError(400, "BadRequest", _UNREADABLE) from error
        if options.since_seconds is not None:
            return False
    at_least = ((options.tail_lines, 0), (options.limit_bytes, 1), (options.since_seconds, 1))
    if any(value is not None and value < least for value, least in at_least):
        return False
    return options.stream in _STREAMS and (options.stream == "All" or options.tail_lines is None)


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
            close = getattr(chunks, "aclose", None)
            if close is not None:
                await close()

    return StreamingResponse(whole(), 200, "text/plain")
