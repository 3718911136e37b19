# SPDX-License-Identifier: Apache-2.0
"""Label and field selectors: grammar, canonical text, matching, errors."""

import pytest

from pybernetes.apimachinery import selectors
from pybernetes.apimachinery.selectors import SelectorError, parse, parse_fields

LABELS = {"app": "web", "tier": "front", "n": "5"}


@pytest.mark.parametrize(
    ("text", "printed", "matches"),
    [
        ("", "", True),
        ("app=web", "app=web", True),
        ("app==web,tier!=back", "app==web,tier!=back", True),
        ("tier in (back, front)", "tier in (back,front)", True),
        ("tier notin (front)", "tier notin (front)", False),
        ("other notin (x)", "other notin (x)", True),
        ("app,!other", "app,!other", True),
        ("!app", "!app", False),
        ("n>4,n<6", "n>4,n<6", True),
        ("app>4", "app>4", False),
        ("z,app", "app,z", False),
        ("x in (foo,,baz),y,w notin ()", "w notin (),x in (,baz,foo),y", False),
        ("in in (in)", "in in (in)", False),
        ("app=", "app=", False),
    ],
)
def test_label_selectors(text: str, printed: str, matches: bool) -> None:
    selector = parse(text)
    assert str(selector) == printed
    assert selector.matches(LABELS) is matches


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,", "found '', expected: identifier after ','"),
        (",a", "found ',', expected: !, identifier, or 'end of string'"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("x in (a b)", "unable to parse requirement: found 'b', expected: ',' or ')'"),
        (
            "a<x",
            'unable to parse requirement: values[0]: Invalid value: "x": '
            "for 'Gt', 'Lt' operators, the value must be an integer",
        ),
    ],
)
def test_errors_are_upstreams(text: str, message: str) -> None:
    with pytest.raises(SelectorError) as error:
        parse(text)
    assert str(error.value) == message


def test_bad_keys_and_values_are_explained() -> None:
    with pytest.raises(SelectorError, match='<nil>: Invalid value: "-a": name part must consist'):
        parse("-a=b")
    with pytest.raises(
        SelectorError, match=r"values\[0\]\[a\]: Invalid value: \"-\": a valid label"
    ):
        parse("a=-")


def test_label_selector_objects() -> None:
    assert not selectors.from_label_selector(None).matches(LABELS)
    assert selectors.from_label_selector({}).matches(None)
    selector = selectors.from_label_selector(
        {
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["front"]},
                {"key": "gone", "operator": "DoesNotExist"},
            ],
        }
    )
    assert selector.matches(LABELS)
    assert str(selector) == "app=web,!gone,tier in (front)"
    with pytest.raises(SelectorError, match='"Near" is not a valid label selector operator'):
        selectors.from_label_selector({"matchExpressions": [{"key": "a", "operator": "Near"}]})


def test_field_selectors() -> None:
    name, node = parse_fields(r"spec.nodeName!=a,metadata.name=x\,y")
    assert name.matches({"metadata.name": "x,y"})
    assert node.matches({})
    assert not node.matches({"spec.nodeName": "a"})
    with pytest.raises(SelectorError, match="can't understand 'a'"):
        parse_fields("a")
    with pytest.raises(SelectorError, match="invalid escape sequence"):
        parse_fields("a=b\\c")
