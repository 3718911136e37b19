# SPDX-License-Identifier: Apache-2.0
"""Running the system's tools: what they say, and all the ways in which they fail, as one error."""

import asyncio

import pytest

from pybernetes.linux.commands import CommandError, run, succeeds


async def test_input_output_and_failures() -> None:
    assert await run(["tr", "a-z", "A-Z"], "text") == "TEXT"
    with pytest.raises(CommandError, match=r"^ls /no/such: .*No such file"):
        await run(["ls", "/no/such"])
    with pytest.raises(CommandError, match="no-such-tool: command not found"):
        await run(["no-such-tool"])
    with pytest.raises(CommandError, match="/etc: Permission denied"):
        await run(["/etc"])
    assert not await succeeds(["false"])


async def test_a_tool_that_does_not_end_is_ended_and_has_failed() -> None:
    with pytest.raises(CommandError, match=r"sleep 60: no end in 0.05 s"):
        await run(["sleep", "60"], seconds=0.05)
    assert not await succeeds(["sleep", "0.01", "x"])
    running = asyncio.get_running_loop().create_task(run(["sleep", "60"]))
    await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
