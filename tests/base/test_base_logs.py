# SPDX-License-Identifier: Apache-2.0
"""Log lines: klog's shape, the Clock's time, nothing secret."""

import asyncio
import io
import logging
from collections.abc import Iterator

import pytest

from pybernetes.base import logs, virtualtime
from pybernetes.base.env import Env

POD = {"metadata": {"namespace": "default", "name": "web-0"}, "data": {"password": "hunter2"}}


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where lines go; afterwards stdlib logging has them again."""
    yield io.StringIO()
    root = logging.getLogger(logs.ROOT)
    root.handlers.clear()
    root.setLevel(logging.NOTSET)
    root.propagate = True


def test_a_line_carries_virtual_time_and_names(stream: io.StringIO) -> None:
    async def main(env: Env) -> None:
        logs.configure("info", stream, env.clock)
        log = logs.get("scheduler")
        await asyncio.sleep(7.25)
        log.debug("Not shown")
        log.info("Pod bound", pod=POD, node="n1", tries=2, err=ValueError('a "b"'))

    virtualtime.run(main)
    assert stream.getvalue() == (
        'I0101 00:00:07.250000 scheduler] "Pod bound" pod="default/web-0" node="n1" tries=2 '
        'err="ValueError: a \\"b\\""\n'
    )


def test_nothing_secret_is_written(stream: io.StringIO) -> None:
    logs.configure("debug", stream)
    log = logs.get("auth")
    log.warning("Login", token="hunter2", body=b"hunter2", headers={"authorization": "hunter2"})
    log.info("Seen", items=[POD])
    assert "hunter2" not in stream.getvalue()
    assert 'auth] "Login" token="[hidden]" body="7 bytes"' in stream.getvalue()


def test_a_crash_shows_where(stream: io.StringIO) -> None:
    logs.configure("error", stream)
    try:
        raise KeyError("gone")
    except KeyError as error:
        logs.get("x").crash("Sync failed", error)
    assert "test_a_crash_shows_where" in stream.getvalue()


def test_without_configure_stdlib_sees_lines(caplog: pytest.LogCaptureFixture) -> None:
    logs.get("x").warning("Slow", seconds=2)
    assert caplog.messages == ['"Slow" seconds=2']


def test_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="Unknown level"):
        logs.configure("loud", io.StringIO())
