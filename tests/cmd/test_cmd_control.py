# SPDX-License-Identifier: Apache-2.0
"""The control socket: whose it is, what it answers, and what stays when it ends."""

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pybernetes.base.tasks import TaskGroup
from pybernetes.cmd import control
from pybernetes.cmd.control import Report
from pybernetes.cmd.labconfig import ConfigError

Object = dict[str, Any]


@asynccontextmanager
async def served(folder: Path, running: list[str]) -> AsyncIterator[Path]:
    async def handle(request: Object, report: Report) -> None:
        running.append(request["do"])
        try:
            if request["do"] == "fail":
                raise ConfigError("as asked for")
            if request["do"] == "crash":
                raise ZeroDivisionError("unforeseen")
            if request["do"] == "wait":
                await asyncio.sleep(3600)
            report("done\nso far")
        finally:
            running.remove(request["do"])

    async with TaskGroup("test") as group:
        group.start(control.serve(folder, handle), "control")
        while not (folder / control.NAME).exists():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        yield folder / control.NAME
        group.cancel()


async def ask(path: Path, line: bytes) -> list[str]:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(line)
    answer = (await reader.read()).decode().splitlines()
    writer.close()
    return answer


async def test_answers_and_goes_on_whatever_a_request_does(tmp_path: Path) -> None:
    running: list[str] = []
    async with served(tmp_path, running) as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert await ask(path, b'{"do": "fail"}\n') == ["error: as asked for"]
        assert await ask(path, b'{"do": "crash"}\n') == ["error: unforeseen"]
        assert await ask(path, b"[1]\n") == ["error: a request is a JSON object"]
        assert (await ask(path, b"nonsense\n"))[0].startswith("error: ")
        assert (await ask(path, b"x" * 100_000))[0].startswith("error: ")
        assert await ask(path, b'{"do": "well"}\n') == ["done so far", "ready"]


async def test_nobody_is_waited_for_longer_than_it_takes_to_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "REQUEST_SECONDS", 0.05)
    async with served(tmp_path, []) as path:
        assert await ask(path, b'{"do": ') == ["error: TimeoutError"]


async def test_requests_end_with_the_server_and_nothing_is_left(tmp_path: Path) -> None:
    running: list[str] = []
    async with served(tmp_path, running) as path:
        _, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"do": "wait"}\n')
        while not running:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    assert running == []
    assert not path.exists()
    writer.close()
