# SPDX-License-Identifier: Apache-2.0
"""Many clients that together make at most so many requests at once; the others wait in order.

For thousands of kubelets in one process: they would fill the API server's places for requests in
flight, and be refused where a moment's wait will do. Watches and other streams do not count.
"""

import asyncio

from pybernetes.client.types import Client
from pybernetes.wire.types import ClientReply, Request


class Gated(Client):
    """`inner` behind the gate it shares with others."""

    def __init__(self, inner: Client, gate: asyncio.Semaphore) -> None:
        self._inner = inner
        self._gate = gate

    async def exchange(self, request: Request, *, stream: bool) -> ClientReply:
        if stream:
            return await self._inner.exchange(request, stream=True)
        async with self._gate:
            return await self._inner.exchange(request, stream=False)
