# SPDX-License-Identifier: Apache-2.0
"""The whole control plane on virtual time, and exact replay from a seed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCENARIO = Path(__file__).parent / "scenario_replay.py"


def run(seed: int, nodes: int, replicas: int, hash_seed: str, log: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(SCENARIO), str(seed), str(nodes), str(replicas), str(log)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_same_seed_gives_the_same_event_log(tmp_path: Path) -> None:
    logs = [tmp_path / name for name in ("a", "b", "c")]
    run(7, 5, 12, "1", logs[0])
    run(7, 5, 12, "2", logs[1])
    run(8, 5, 12, "1", logs[2])
    first, second, other = (log.read_text() for log in logs)
    assert first.count("\n") > 200
    assert first == second
    assert first != other


@pytest.mark.timeout(300)
def test_fifty_nodes_and_500_pods_live_an_hour_in_seconds(tmp_path: Path) -> None:
    one = run(1, 50, 500, "1", tmp_path / "one")
    two = run(1, 50, 500, "2", tmp_path / "two")
    assert one == two
    assert one["moved"] > 300  # the default tolerations let pods stay for five minutes
