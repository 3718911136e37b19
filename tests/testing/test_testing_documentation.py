# SPDX-License-Identifier: Apache-2.0
"""The Python examples of README.md and docs/testing.md run as they are written."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def blocks(name: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / name).read_text(), re.S | re.M)


@pytest.mark.parametrize(
    ("name", "wanted", "tests"),
    [("README.md", [0], 1), ("docs/testing.md", [0, 2], 2)],
)
def test_the_examples_are_tests_that_pass(tmp_path, name, wanted, tests) -> None:
    (tmp_path / "test_example.py").write_text("\n".join(blocks(name)[n] for n in wanted))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert f"{tests} passed" in done.stdout, done.stdout + done.stderr


def test_the_program_without_pytest_runs() -> None:
    program = blocks("docs/testing.md")[1]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
