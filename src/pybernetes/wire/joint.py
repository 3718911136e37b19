# SPDX-License-Identifier: Apache-2.0
"""Two streams joined: what one reads the other writes."""

import contextlib

from pybernetes.base.tasks import TaskGroup
from pybernetes.wire.types import Stream


async def copy(source: Stream, target: Stream) -> None:
    """Everything up to the end of `source`. Raises ConnectionError."""
    while data := await source.read():
        await target.write(data)


async def join(left: Stream, right: Stream) -> None:
    """Copy both ways, then close both.

    The first end, of whichever side, ends both ways.
    """

    async def one_way(source: Stream, target: Stream) -> None:
        with contextlib.suppress(ConnectionError):  # the other way is over as well
            await copy(source, target)
        group.cancel()

    try:
        async with TaskGroup("joint") as group:
            group.start(one_way(left, right), "there")
            group.start(one_way(right, left), "back")
    finally:
        await left.close()
        await right.close()
