# SPDX-License-Identifier: Apache-2.0
"""A foreign driver passes the public suites, and each of them finds what is wrong with its brothers."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pybernetes.testing.stores.disk import FaultyDisk, surroundings
from tests.storage import logstore

TOP = Path(__file__).parents[2]


class TestLog(logstore.Log):
    pass


async def test_behaviour_finds_a_watch_that_repeats(tmp_path: Path) -> None:
    suite = logstore.Again()
    async with suite.opened(tmp_path) as store:
        with pytest.raises((AssertionError, ValueError)):
            await suite.test_no_gap_and_no_repeat_under_concurrent_writers(store)


@pytest.mark.parametrize(
    ("suite", "told"),
    [
        (logstore.Again, "unique|resumable"),
        (logstore.Stale, "not linearizable"),
        (logstore.Half, "not linearizable"),
    ],
)
async def test_histories_find(suite: type[logstore.Log], told: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=told):
        await suite().test_histories_are_linearizable_and_watched_whole(tmp_path)


async def test_kills_find_half_a_transaction(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="half a transaction"):
        await logstore.Half().test_kill_minus_nine_under_100_writers(tmp_path)


async def test_power_cuts_find_what_was_acknowledged_too_early(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="acknowledged and lost"):
        await logstore.TooEarly().test_power_cuts(FaultyDisk(tmp_path))


MINE = """
from tests.storage.logstore import LogStore

class MyStore:
    @staticmethod
    async def open(env, path):
        return LogStore(env, path)
"""


def test_the_example_of_the_documentation(tmp_path: Path) -> None:
    (example,) = re.findall(
        r"^```python\n(.*?)^```", (TOP / "docs/store.md").read_text(), re.S | re.M
    )
    (tmp_path / "test_mine.py").write_text(example + MINE)
    words = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "asyncio_mode=auto",
        "-k",
        "full or checks",
    ]
    command = [sys.executable, "-m", "pytest", *words, str(tmp_path)]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env=surroundings(), check=False
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr
