# SPDX-License-Identifier: Apache-2.0
"""Settings files: every fault with its line, and nothing wrong let through."""

import pytest

from pybernetes.apimachinery.settings import Settings, SettingsError, load

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z]+$", "description": "a name of small letters"},
        "size": {"type": "integer", "minimum": 1, "maximum": 9},
        "nodes": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/node"}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "$defs": {
        "node": {
            "anyOf": [
                {"type": "string", "enum": ["worker", "control-plane"]},
                {
                    "type": "object",
                    "minProperties": 1,
                    "maxProperties": 1,
                    "additionalProperties": False,
                    "properties": {"role": {"type": "string"}, "cpu": {"type": "number"}},
                },
            ]
        }
    },
}


def faults(text: str) -> list[str]:
    with pytest.raises(SettingsError) as error:
        load(text.encode(), SCHEMA)
    return [str(fault) for fault in error.value.faults]


def test_what_fits_is_handed_out_as_it_is_written() -> None:
    settings = load(b"name: a\nsize: 3\nnodes: [worker, {cpu: 1.5}]\nlabels: {a: b}\n", SCHEMA)
    assert isinstance(settings, Settings)
    assert settings.value == {
        "name": "a",
        "size": 3,
        "nodes": ["worker", {"cpu": 1.5}],
        "labels": {"a": "b"},
    }
    assert str(settings.fault(("nodes", 1, "cpu"), "too small")) == (
        "line 3: nodes[1].cpu: too small"
    )


def test_every_fault_has_its_line() -> None:
    text = """\
name: A
size: 12
sizes: 1
nodes:
- boss
- role: x
  cpu: 2
- 7
- cpu: many
labels:
  a: 1
"""
    assert faults(text) == [
        'line 1: name: "A" is not a name of small letters',
        "line 2: size: 12 must be at most 9",
        'line 3: sizes: unknown (did you mean "size"?); known here: name, size, nodes, labels',
        'line 5: nodes[0]: "boss" must be one of "worker", "control-plane"',
        "line 6: nodes[1]: has 2 keys: 1 to 1",
        "line 8: nodes[2]: must be a string or an object, not integer",
        "line 9: nodes[3].cpu: must be a number, not string",
        "line 11: labels.a: must be a string, not integer",
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "must be an object, not null"),
        ("size: 1\n", '"name" is missing'),
        ("name: a\nname: b\n", 'line 2: key "name" already set in map'),
        ("name: a\n b: c\n", "line 2: mapping values are not allowed in this context"),
        ("name: a\nnodes: []\n", "line 2: nodes: has 0 items: at least 1"),
        ("name: true\n", "line 1: name: must be a string, not boolean"),
        ("name: a\nsize: true\n", "line 2: size: must be an integer, not boolean"),
        ("a: &x 1\nb: *x\n", "line 2: aliases are not supported"),
    ],
)
def test_one_fault(text: str, wanted: str) -> None:
    assert faults(text) == [wanted]
