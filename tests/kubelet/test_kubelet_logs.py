# SPDX-License-Identifier: Apache-2.0
"""Container logs: CRI's format, tail, since, limits, following."""

import asyncio

import pytest

from pybernetes.kubelet.logs.reader import Wanted, read

LINES = [
    b"2026-01-01T00:00:01.5Z stdout F one\n",
    b"2026-01-01T00:00:02.5Z stderr F two\n",
    b"2026-01-01T00:00:03.5Z stdout P thr\n",
    b"2026-01-01T00:00:03.6Z stdout F ee\n",
]


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "0.log"
    path.write_bytes(b"".join(LINES))
    return path


async def collect(path, **wanted):
    return b"".join([chunk async for chunk in read(path, Wanted(**wanted), lambda: False)])


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ({}, b"one\ntwo\nthree\n"),
        ({"tail": 2}, b"three\n"),
        ({"tail": 0}, b""),
        ({"tail": 99}, b"one\ntwo\nthree\n"),
        ({"since": "2026-01-01T00:00:02"}, b"two\nthree\n"),
        ({"limit": 5}, b"one\nt"),
        ({"stream": "stderr"}, b"two\n"),
        ({"timestamps": True, "tail": 1}, b"2026-01-01T00:00:03.600000000Z ee\n"),
        (  # of the parts of a line only the first has its time
            {"timestamps": True, "stream": "stdout"},
            b"2026-01-01T00:00:01.500000000Z one\n2026-01-01T00:00:03.500000000Z three\n",
        ),
    ],
)
async def test_options(log, wanted, text):
    assert await collect(log, **wanted) == text


async def test_since_counts_in_the_zone_of_the_runtime(log):
    log.write_bytes(
        b"2026-01-01T01:00:00+02:00 stdout F before\n2026-01-01T00:30:00-01:00 stderr F after\n"
    )
    assert await collect(log, since="2026-01-01T00:00:00.000000") == b"after\n"
    assert await collect(log, timestamps=True, tail=1) == (
        b"2026-01-01T00:30:00.000000000-01:00 after\n"
    )


async def test_a_log_that_grows_faster_than_it_is_read_ends(log):
    chunks = []
    async for chunk in read(log, Wanted(tail=3), lambda: True):
        chunks.append(chunk)
        with log.open("ab") as file:
            file.write(LINES[0])
    assert b"".join(chunks) == b"two\nthree\n"


async def test_following_ends_with_the_container(log):
    alive = [True]
    stream = read(log, Wanted(follow=True, tail=0), lambda: alive[0])
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.01)
    with log.open("ab") as file:
        file.write(b"2026-01-01T00:00:09Z stdout F more\n")
    assert await waiting == b"more\n"
    alive[0] = False
    assert [chunk async for chunk in stream] == []


async def test_following_goes_on_after_rotation(log):
    stream = read(log, Wanted(follow=True, tail=0), lambda: True)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.01)
    log.rename(log.with_suffix(".old"))
    log.write_bytes(b"2026-01-01T00:00:09Z stdout F new\n")
    assert await waiting == b"new\n"
    await stream.aclose()


async def test_nothing_is_lost_in_a_rotation(log):
    """Lines written after the last look at the old file, some of them after the new one is there."""
    alive = [True]
    stream = read(log, Wanted(follow=True, tail=0), lambda: alive[0])
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.01)
    old = log.open("ab")
    old.write(b"2026-01-01T00:00:07Z stdout F before the rename\n")
    log.rename(log.with_suffix(".old"))
    log.write_bytes(b"2026-01-01T00:00:09Z stdout F new\n")
    old.write(b"2026-01-01T00:00:08Z stdout F before the runtime knew\n")
    old.close()
    alive[0] = False
    got = await waiting + b"".join([chunk async for chunk in stream])
    assert got == b"before the rename\nbefore the runtime knew\nnew\n"
