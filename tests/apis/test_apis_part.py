# SPDX-License-Identifier: Apache-2.0
"""Part: what each small rule finds, and where."""

import pytest

from pybernetes.apis.validation.names import dns1123_label
from pybernetes.apis.validation.part import Part, same

LABEL = "must not contain dots"


@pytest.mark.parametrize(
    ("obj", "check", "expected"),
    [
        ({}, lambda part: part.need("a", "b"), ["s.a: Required value", "s.b: Required value"]),
        ({"a": ""}, lambda part: part.rule("a", dns1123_label), []),
        ({"a": "x.y"}, lambda part: part.rule("a", dns1123_label), [f's.a: Invalid value: "x.y": {LABEL}']),
        ({}, lambda part: part.need_choice("a", ["x"]), ["s.a: Required value"]),
        ({}, lambda part: part.choice("a", ["x"]), []),
        ({}, lambda part: part.one_of("a", ["x"]), ['s.a: Unsupported value: "": supported values: "x"']),
        ({"a": ["p", "p"]}, lambda part: part.unique("a", part.get("a")), ['s.a[1]: Duplicate value: "p"']),
        ({"a": 2}, lambda part: part.fixed({"a": 1}, "a"), ["s.a: Invalid value: 2: field is immutable"]),
        ({"a": [{"n": -1}]}, lambda part: [one.counts("n") for one in part.each("a")], ["s.a[0].n: Invalid value: -1: must be greater than or equal to 0"]),
    ],
)  # fmt: skip
def test_rules(obj, check, expected):
    part = Part(obj, "s")
    check(part)
    assert [str(error) for error in part.errors] == expected


def test_a_part_knows_where_it_is():
    part = Part({"spec": {"list": [{"a": 1}, {"b": {"c": 2}}]}})
    second = list(part.child("spec").each("list"))[1]
    assert (second.at, second.path("b")) == ("spec.list[1]", "spec.list[1].b")
    assert second.child("b").path() == "spec.list[1].b"
    assert Part({}, "").path("x") == "x"


def test_empty_and_missing_are_the_same():
    assert same({"a": [], "b": {"c": None}}, {})
    assert not same({"hostUsers": False}, {})
