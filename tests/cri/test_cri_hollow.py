# SPDX-License-Identifier: Apache-2.0
"""The hollow runtime: the common suite, and what is special about running nothing."""

import asyncio

import pytest

from pybernetes.base.env import Env
from pybernetes.cri.hollow import Delays, Hollow
from pybernetes.cri.types import Streams, Unsupported
from pybernetes.testing.cri import RuntimeSuite

QUICK = Delays(0, 0, 0, 0, 0)


class TestHollow(RuntimeSuite):
    @pytest.fixture
    async def runtime(self):
        return Hollow(Env(), delays=QUICK)

    async def test_refuses_by_name_what_needs_a_process(self, runtime):
        _, container = await self.run_pod(runtime)
        with pytest.raises(Unsupported, match="exec is not supported: this node is hollow"):
            await runtime.exec_sync(container, ["ls"])
        with pytest.raises(Unsupported, match="attach"):
            await runtime.attach_url(container, Streams())

    async def test_a_container_that_exits_is_told_to_watchers(self, runtime):
        _, container = await self.run_pod(runtime)
        stream = runtime.events()
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        runtime.exit(container, 3)
        assert (await waiting).id == container
        status = await runtime.container_status(container)
        assert (status.exit_code, status.reason) == (3, "Error")
        await stream.aclose()
