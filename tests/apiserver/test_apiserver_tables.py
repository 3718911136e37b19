# SPDX-License-Identifier: Apache-2.0
"""The tables of the API server: every word in them means something."""

from pathlib import Path
from pkgutil import resolve_name

import pytest

from pybernetes import apiserver
from pybernetes.apis import rules
from pybernetes.apis.catalog import builtin
from pybernetes.apis.data.sections import document, row, sections
from pybernetes.apiserver.admission.plugin import Plugin
from pybernetes.apiserver.authorization.node import _ASKED

WORDS = {
    "authorization/node.txt": {"allow", "no", "related"},
    "admission/noderestriction.txt": {
        *("pass", "no"),
        *("mirror", "status", "node", "claim", "token", "certificate"),
    },
    "rest/options.txt": set(rules.CHECKS),
}
ASKED = {
    "authorization/node.txt": {*_ASKED, "own"},
    "admission/noderestriction.txt": {
        *("operation", "subresource", "namespace", "own", "named", "elsewhere"),
    },
    "rest/options.txt": {
        *("resourceVersion", "resourceVersionMatch", "continue", "sendInitialEvents"),
        *("orphanDependents", "sinceTime", "sinceSeconds", "stream", "tailLines"),
    },
}


def rows(file: str):
    folder, name = file.split("/")
    return sections(name, f"pybernetes.apiserver.{folder}")


@pytest.mark.parametrize("file", sorted(WORDS))
def test_rows_have_words_and_conditions_that_exist(file: str) -> None:
    for lines in rows(file).values():
        for line in lines:
            assert row(line).word in WORDS[file], line
            for condition in line.partition(" : ")[0].partition(" if ")[2].split():
                assert condition.strip("!").partition("=")[0].strip("!") in ASKED[file], line


@pytest.mark.parametrize("file", ["authorization/node.txt", "admission/noderestriction.txt"])
def test_sections_are_resources(file: str) -> None:
    known = {".".join(filter(None, (gvr.resource, gvr.group))) for gvr in builtin()}
    assert set(rows(file)) <= known


def test_the_node_authorizer_always_answers() -> None:
    for lines in rows("authorization/node.txt").values():
        assert row(lines[-1]).condition is None


def test_admission_plugins_are_where_the_table_says() -> None:
    for name, module in document("plugins.json", "pybernetes.apiserver.admission")[
        "plugins"
    ].items():
        assert issubclass(resolve_name(f"pybernetes.apiserver.admission.{module}:{name}"), Plugin)


def test_every_table_is_listed_here() -> None:
    found = Path(apiserver.__file__).parent.rglob("*.txt")
    names = {f"{path.parent.name}/{path.name}" for path in found}
    assert names == {*WORDS, "proxying/links.txt"}  # which has names alone
