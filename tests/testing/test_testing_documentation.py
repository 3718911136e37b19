# SPDX-License-Identifier: Apache-2.0
"""The Python examples of README.md, docs/testing.md and docs/hollow.md run as they are written."""

import json
import re
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def blocks(name: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / name).read_text(), re.S | re.M)


@pytest.mark.parametrize(
    ("name", "wanted", "tests"),
    [
        ("README.md", [0], 1),
        pytest.param("docs/testing.md", [0, 1, 2, 4], 5, marks=pytest.mark.kubectl),
    ],
)
def test_the_examples_are_tests_that_pass(tmp_path, name, wanted, tests) -> None:
    (tmp_path / "test_example.py").write_text("\n".join(blocks(name)[n] for n in wanted))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert f"{tests} passed" in done.stdout, done.stdout + done.stderr


def test_the_kopf_operators_tests_pass_in_parallel(tmp_path) -> None:
    shutil.copytree(ROOT / "examples" / "kopf", tmp_path, dirs_exist_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "3 passed" in done.stdout, done.stdout + done.stderr


def test_the_page_about_stages_is_true(tmp_path) -> None:
    text = (ROOT / "docs" / "hollow.md").read_text()
    (stages,) = re.findall(r"^```yaml\n(.*?)^```", text, re.S | re.M)
    (tmp_path / "stages.yaml").write_text(stages)
    program = "import asyncio\nfrom pybernetes.kubelet.naming import PODS\n"
    program += blocks("docs/hollow.md")[0]
    program += "test_ten_minutes_of_crash_loop()\nasyncio.run(with_the_file())\n"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    schema = json.loads((resources.files("pybernetes.cri") / "stages.schema.json").read_text())
    kinds = schema["$defs"]
    known = [*kinds["stage"]["properties"], *kinds["match"]["properties"]]
    known += kinds["delay"]["anyOf"][2]["properties"]
    assert [word for word in known if not re.search(f"[`{{]{word}[`:]", text)] == ["name"]


def test_the_program_without_pytest_runs() -> None:
    program = blocks("docs/testing.md")[3]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
