# SPDX-License-Identifier: Apache-2.0
"""Two streams joined: what one reads the other writes."""

from pybernetes.base.tasks import TaskGroup
from pybernetes.wire.types import Stream


async def _copy(source: Stream, target: Stream) -> None:
    while data := await source.read():
        await target.write(data)


async def join(left: Stream, right: Stream, *, half_close: bool = False) -> None:
    """Copy both ways, then close both.

    The first end, of whichever side, ends both ways; with `half_close` an end is handed on and the
    other way goes on until it ends too. A side that breaks ends everything at once.
    """

    async def one_way(source: Stream, target: Stream) -> None:
        try:
            await _copy(source, target)
            if half_close:
                await target.close_write()
                return
        except ConnectionError:
            pass  # the other way is over as well
        group.cancel()

    try:
        async with TaskGroup("joint") as group:
            group.start(one_way(left, right), "there")
            group.start(one_way(right, left), "back")
    finally:
        await left.close()
        await right.close()
