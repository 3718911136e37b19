# SPDX-License-Identifier: Apache-2.0
"""Workloads in a world that breaks (chaos.py beside this): a run that fails names the command that replays it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pybernetes.apiserver.cache.feed import Feed
from pybernetes.apiserver.context import Core
from pybernetes.controllers.runtime.writes import Writes
from pybernetes.scheduler.cycle import Cycle
from pybernetes.scheduler.decision import Decision
from pybernetes.scheduler.podinfo import PodInfo
from tests.simulation import chaos, ending

ROOT = Path(__file__).parents[2]
SEEDS = 200 if os.environ.get("CI") else 40  # make soak: others
FEW = 20  # seeds in which a bug that was planted must show


@pytest.mark.timeout(900)
def test_all_is_well_after_crashes_lost_answers_and_stale_caches() -> None:
    count, failures = chaos.many(range(SEEDS))
    assert failures == []
    assert count == SEEDS


def test_what_is_to_break_does_break() -> None:
    runs = [chaos.play(seed) for seed in range(3)]
    assert sum(run.crashes for run in runs) > 5


def test_a_seed_replays_in_another_interpreter() -> None:
    here = chaos.play(3)
    command = [sys.executable, "-m", "tests.simulation.chaos", "3"]
    environment = {**os.environ, "PYTHONHASHSEED": "17"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert here.digest in done.stdout


def test_a_failure_names_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "COMPLETIONS", 0)  # now the Job cannot be as it must
    monkeypatch.setattr(chaos, "PATIENCE", 10.0)
    with pytest.raises(AssertionError, match="the Job") as caught:
        chaos.play(5)
    assert caught.value.__notes__ == ["replay: python -m tests.simulation.chaos 5"]


def first_failure() -> str:
    return next((text for text in map(chaos.tried, range(FEW)) if text), "nothing was found")


def test_a_controller_that_forgets_what_it_wrote_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Writes, "seen", lambda *_: True)
    assert " wanted, " in first_failure()


def test_a_scheduler_that_forgets_what_it_decided_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = Cycle.schedule

    def forgetful(cycle: Cycle, pod: PodInfo, nominated: str = "") -> Decision:
        decision = schedule(cycle, pod, nominated)
        cycle._nodes.unplace(pod.uid)
        return decision

    monkeypatch.setattr(Cycle, "schedule", forgetful)
    assert "its pods ask for" in first_failure()


def test_an_api_server_that_believes_its_cache_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(_: Any) -> None:
        pass

    monkeypatch.setattr(Feed, "wait_fresh", at_once)
    monkeypatch.setattr(Core, "newest", 0)
    assert "a list shows the past" in first_failure()
