# SPDX-License-Identifier: Apache-2.0
"""Workloads in a world that breaks (chaos.py beside this): a run that fails names the command that replays it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation import chaos

ROOT = Path(__file__).parents[2]
SEEDS = (
    160 if os.environ.get("CI") else 40
)  # not 200: see seed 169 in docs/status.md; make soak: 2,000


@pytest.mark.timeout(900)
def test_all_is_well_after_crashes_lost_answers_and_stale_caches() -> None:
    count, failures = chaos.many(range(SEEDS))
    assert failures == []
    assert count == SEEDS


def test_the_control_plane_did_crash() -> None:
    assert sum(chaos.play(seed).crashes for seed in range(3)) > 5


def test_a_seed_replays_in_another_interpreter() -> None:
    here = chaos.play(3)
    command = [sys.executable, "-m", "tests.simulation.chaos", "3"]
    environment = {**os.environ, "PYTHONHASHSEED": "17"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert here.digest in done.stdout


def test_a_failure_names_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chaos, "COMPLETIONS", 0)  # now the Job cannot be as it must
    monkeypatch.setattr(chaos, "PATIENCE", 10.0)
    with pytest.raises(AssertionError, match="the Job") as caught:
        chaos.play(5)
    assert caught.value.__notes__ == ["replay: python -m tests.simulation.chaos 5"]
