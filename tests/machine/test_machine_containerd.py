# SPDX-License-Identifier: Apache-2.0
"""A containerd that ends as soon as it is started is not started again without a pause."""

import asyncio
from pathlib import Path

from pybernetes.base import virtualtime
from pybernetes.base.env import Env
from pybernetes.machine.config import Config
from pybernetes.machine.containerd import PrivateContainerd


class Failing(PrivateContainerd):
    starts = 0

    def pid(self) -> int | None:
        return None

    async def start(self) -> bool:
        self.starts += 1
        if self.starts == 3:
            raise OSError("No space left on device")
        return True


def test_starting_again_takes_its_time() -> None:
    async def main(env: Env) -> int:
        daemon = Failing(env, Config(data=Path("/none")))
        keeping = asyncio.ensure_future(daemon.keep())
        await asyncio.sleep(10.5)
        assert not keeping.done()
        keeping.cancel()
        return daemon.starts

    assert 5 <= virtualtime.run(main) <= 10
