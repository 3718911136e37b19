# SPDX-License-Identifier: Apache-2.0
"""data/rules.txt and data/kinds.txt: every name in them means something, and no code is forgotten."""

import ast
import re
from pathlib import Path

import pytest

from pybernetes.apis import registry, rules
from pybernetes.apis.data import types
from pybernetes.apis.data.sections import code, row, sections
from pybernetes.apis.registry import RULES
from pybernetes.apis.validation.part import Part

APIS = Path(registry.__file__).parent
SHORT = {".".join(name.split(".")[-3:]): name for name in types.names()}


def words(file: str) -> set[str]:
    return set(re.findall(r"[\w.]+:[A-Za-z_]+", (APIS / "data" / file).read_text()))


@pytest.mark.parametrize("name", sorted(sections("rules.txt")))
def test_rows_name_types_fields_and_words_that_exist(name: str) -> None:
    properties = types.named(SHORT[name]).properties
    for line in sections("rules.txt")[name]:
        found = row(line)
        assert found.field == "." or found.field in properties, line
        assert found.word in {
            *(rules.CHECKS if found.field != "." else rules.WHOLE),
            "do",
            "default",
            "fill",
            "defaults",
            "apart",
            "always",
            "filled",
        }
        conditions = line.partition(" : ")[0].partition(" if ")[2].split()
        for condition in conditions:
            names = condition.strip("!").partition("=")[0].strip("!").split("|")
            assert set(names) <= set(properties), line
    rules.of(SHORT[name])


@pytest.mark.parametrize("file", ["rules.txt", "kinds.txt"])
def test_code_that_tables_name_is_there(file: str) -> None:
    found = words(file)
    assert found
    for name in found:
        code(name)


def test_public_functions_are_named_somewhere() -> None:
    """Tables hide from other tools what is used: what is public and nowhere else named is dead."""
    source = Path(registry.__file__).parents[1]
    texts = [path.read_text() for path in source.rglob("*.py")]
    texts += [path.read_text() for path in (APIS / "data").glob("*.txt")]
    everything = re.findall(r"\w+", "\n".join(texts))
    counts: dict[str, int] = {}
    for word in everything:
        counts[word] = counts.get(word, 0) + 1
    dead = [
        f"{path.name}: {node.name}"
        for path in APIS.rglob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and counts[node.name] < 2
    ]
    assert not dead


def test_every_kind_of_the_table_is_served() -> None:
    from pybernetes.apis import catalog

    served = {(gvr.group, row.kind) for gvr, row in catalog.builtin().items()}
    assert set(RULES) <= served


def test_conditions_and_ways() -> None:
    deployment = {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": {}}}}
    type_ = rules.of(SHORT["apps.v1.Deployment"])
    type_.default(deployment)
    assert deployment["spec"]["strategy"] == {"type": "Recreate", "rollingUpdate": {}}
    part = Part(deployment)
    type_.check(part)
    assert (
        "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"
        in [str(error) for error in part.errors]
    )
    rolling = {"spec": {"strategy": {}}}
    type_.default(rolling)
    assert rolling["spec"]["strategy"]["rollingUpdate"] == {
        "maxUnavailable": "25%",
        "maxSurge": "25%",
    }
