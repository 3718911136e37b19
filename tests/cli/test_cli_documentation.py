# SPDX-License-Identifier: Apache-2.0
"""What README.md and docs/labs.md tell people to type exists, and their lab files are right."""

import re
import shlex
from pathlib import Path

import pytest

from pybernetes.cli.lab import file
from pybernetes.cli.main import _verb
from pybernetes.cli.registry import VERBS

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/labs.md")


def commands() -> list[tuple[str, str]]:
    """Every `pybernetes ...` of a console block or in backquotes, with the page it is on."""
    found = []
    for page in PAGES:
        text = (ROOT / page).read_text()
        lines = [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]
        lines += re.findall(r"`(pybernetes [^`]+)`", text)
        for line in lines:
            parts = re.split(r" ; |  +#|;", line)
            found += [
                (page, part.strip()) for part in parts if part.strip().startswith("pybernetes ")
            ]
    return found


@pytest.mark.parametrize(("page", "command"), commands())
def test_the_command_exists(page: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(command.partition(" > ")[0])[1:]
    assert words[0] in VERBS, page
    options = _verb(words[0]).parse_intermixed_args(
        [word for word in words[1:] if word != "COMMAND"]
    )
    assert callable(options.run)
    for word in words:
        if word.startswith("examples/"):
            assert (ROOT / word).exists()


def test_there_are_commands_to_check() -> None:
    assert {page for page, _ in commands()} == set(PAGES)
    assert {command.split()[1] for _, command in commands()} >= {
        "up",
        "down",
        "delete",
        "node",
        "lab",
        "image",
    }


def test_every_action_on_nodes_is_taught() -> None:
    text = (ROOT / "docs/labs.md").read_text()
    for action in ("list", "add", "remove", "start", "stop", "kill", "cut", "heal", "shell"):
        assert f"pybernetes node {action}" in text


def test_the_lab_files_are_right(tmp_path: Path) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/labs.md").read_text(), re.S | re.M)
    (tmp_path / "lab.yaml").write_text(blocks[0])
    nodes = {node["name"]: node for node in file.load(tmp_path / "lab.yaml")["lab"]["nodes"]}
    assert nodes["boss"]["taints"] == []
    for example in (ROOT / "examples" / "labs").iterdir():
        file.load(example)


def test_every_field_of_the_schema_is_in_the_example_of_the_docs() -> None:
    block = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/labs.md").read_text(), re.S | re.M)[0]
    for field in re.findall(r'"([a-zA-Z]+)": \{\n', file.SCHEMA.read_text()):
        if field not in ("properties", "items", "additionalProperties", "node"):
            assert f"{field}:" in block, field
