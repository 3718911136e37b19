# SPDX-License-Identifier: Apache-2.0
"""What a restarted kubelet has to know of its pods and cannot read elsewhere, kept on disk."""

import asyncio
import contextlib
from collections.abc import Collection
from pathlib import Path

import orjson

from pybernetes.apimachinery.types import Object
from pybernetes.base import files, logs
from pybernetes.base.env import Env

DELAY, RETRY = 0.5, 10.0
_log = logs.get("kubelet.checkpoint")


class Checkpoint:
    """`put` never waits; the file is replaced as a whole, half a second later at most."""

    def __init__(self, env: Env, path: Path | None) -> None:
        self._env, self._path = env, path
        self._dirty = asyncio.Event()
        self._pods: dict[str, Object] = {}
        if path is not None:
            with contextlib.suppress(OSError, ValueError):
                self._pods = orjson.loads(path.read_bytes())

    def get(self, uid: str) -> Object:
        return self._pods.get(uid) or {}

    def keep(self, uids: Collection[str]) -> None:
        """Forget all others."""
        for uid in self._pods.keys() - set(uids):
            self.put(uid, None)

    def put(self, uid: str, state: Object | None) -> None:
        """None: the pod is gone."""
        if self._path is None or self._pods.get(uid) == state:
            return
        if state is None:
            del self._pods[uid]
        else:
            self._pods[uid] = state
        self._dirty.set()

    async def run(self) -> None:
        """Write until cancelled, and once more then."""
        try:
            while True:
                await self._dirty.wait()
                await asyncio.sleep(DELAY)
                self._dirty.clear()
                try:
                    await self._env.offload.run(self._write, orjson.dumps(self._pods))
                except OSError as error:  # a full disk, which is to be mended by this kubelet
                    _log.warning("What pods were given cannot be kept on disk", err=error)
                    self._dirty.set()
                    await asyncio.sleep(RETRY)
        finally:
            if self._dirty.is_set():
                with contextlib.suppress(OSError):
                    self._write(orjson.dumps(self._pods))

    def _write(self, data: bytes) -> None:
        if self._path is not None:
            files.write_private(self._path, data)
