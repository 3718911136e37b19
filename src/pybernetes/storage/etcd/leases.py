# SPDX-License-Identifier: Apache-2.0
"""Leases for keys with a time to live: one is used for many keys, as upstream's lease manager does.

So events do not make a lease each; a key may live up to 5 % (at most a minute) longer than it asked.
"""

import asyncio

from pybernetes.base.env import Env
from pybernetes.storage.etcd.client import Client

REUSE_SECONDS = 60
REUSE_SHARE = 0.05
MAX_KEYS = 1000  # of one lease


class Leases:
    """Gives lease ids; the last one again while it fits."""

    def __init__(self, env: Env, client: Client) -> None:
        self._env = env
        self._client = client
        self._lock = asyncio.Lock()
        self._id = 0
        self._ends = 0.0  # on the clock
        self._keys = 0

    async def get(self, ttl: int) -> int:
        """A lease that ends `ttl` seconds from now or a little later. Raises StoreError."""
        async with self._lock:
            extra = min(REUSE_SECONDS, int(ttl * REUSE_SHARE))
            now = self._env.clock.monotonic()
            self._keys += 1
            if now + ttl < self._ends < now + ttl + extra and self._keys <= MAX_KEYS:
                return self._id
            self._id, self._ends = 0, 0.0
            answer = await self._client.call("Lease", "LeaseGrant", TTL=ttl + extra)
            self._id, self._ends, self._keys = answer.ID, now + ttl + extra, 1
            return self._id

    def forget(self) -> None:
        """The last lease is not there any more."""
        self._ends = 0.0
