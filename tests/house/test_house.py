# SPDX-License-Identifier: Apache-2.0
"""The house's own rules, where no linter checks them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "pybernetes"
MAX_LINES = 500
LONGER_TABLES: frozenset[str] = frozenset()  # pure tables, by path below src/pybernetes


def _files() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def test_no_file_is_over_500_lines() -> None:
    long = {
        str(path.relative_to(SOURCE)): lines
        for path in _files()
        if (lines := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert not {name: lines for name, lines in long.items() if name not in LONGER_TABLES}


def test_every_file_has_its_licence_line_and_a_docstring() -> None:
    for path in _files():
        lines = path.read_text().splitlines()
        assert lines[0] == "# SPDX-License-Identifier: Apache-2.0", path
        assert lines[1].startswith('"""'), f"{path}: no module docstring"


def test_init_files_hold_a_docstring_and_re_exports_only() -> None:
    allowed = re.compile(
        r'^(from|import) |^__all__|^__version__|^    |^\)|^\]|^$|^#|^"""|^[^=]*"""$'
    )
    for path in SOURCE.rglob("__init__.py"):
        text = path.read_text()
        after = text.split('"""', 2)[2]
        for line in after.splitlines():
            assert allowed.match(line), f"{path}: {line}"


def test_exceptions_to_the_lint_gates_stay_below_one_percent_of_functions() -> None:
    text = "\n".join(path.read_text() for path in _files())
    functions = len(re.findall(r"^\s*(?:async )?def ", text, re.MULTILINE))
    exceptions = len(re.findall(r"#\s*(?:noqa|type:\s*ignore)", text))
    assert exceptions <= functions * 0.01, f"{exceptions} of {functions}"


def test_the_product_is_no_larger_than_docs_status_says() -> None:
    """The budget of the whole product is 45,000 lines. We are over it, and docs/status.md says why.

    The number is raised only knowingly, with that page; it falls whenever code is simplified.
    """
    lines = sum(len(path.read_text().splitlines()) for path in _files())
    status = (ROOT / "docs" / "status.md").read_text()
    found = re.search(r"`src/` has ([0-9,]+) lines", status)
    assert found is not None, "docs/status.md does not say how many lines src/ has"
    assert lines <= int(found[1].replace(",", "")) + 250
