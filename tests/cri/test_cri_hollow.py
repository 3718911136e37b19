# SPDX-License-Identifier: Apache-2.0
"""The hollow runtime: the common suite, and what is special about running nothing."""

import asyncio

import pytest

from pybernetes.base import virtualtime
from pybernetes.base.env import Env
from pybernetes.cri.hollow import Delays, Hollow
from pybernetes.cri.stagefile import parse
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
        told = []
        runtime.on_change(lambda: told.append(1))
        runtime.exit(container, 3)
        assert told
        status = await runtime.container_status(container)
        assert (status.exit_code, status.reason) == (3, "Error")


def test_following_a_log_shows_every_line_once():
    stages = parse("stages: [{logs: [hello, {every: 100ms, line: tick}]}]")

    async def main(env):
        runtime = Hollow(env, stages=stages)
        _, container = await RuntimeSuite().run_pod(runtime)
        seen, last = [], 0
        for _ in range(40):
            await asyncio.sleep(0.07)
            lines = runtime.log(container, last)
            last = lines[-1][0] if lines else last
            seen += [text for _, text in lines]
        assert seen == ["hello", *["tick"] * 28]

    virtualtime.run(main)


def test_without_stages_a_container_logs_nothing_and_measures_nothing_by_name():
    async def main(env):
        runtime = Hollow(env)
        _, container = await RuntimeSuite().run_pod(runtime)
        with pytest.raises(Unsupported, match="logs"):
            runtime.log(container, 0)
        with pytest.raises(Unsupported, match="stats"):
            await runtime.stats()
        assert runtime.probed(container, ["readiness"]) == []

    virtualtime.run(main)
