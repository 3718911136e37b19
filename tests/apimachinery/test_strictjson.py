# SPDX-License-Identifier: Apache-2.0
"""Bodies: equal keys are found, limits hold, YAML reads as Kubernetes reads it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybernetes.apimachinery import strictjson, strictyaml
from pybernetes.apimachinery.strictjson import SyntaxFault

TEXT = (
    b'{"metadata":{"name":"a","name" \t :"b","u":1,"u":2},"spec":{"replicas":1,"replicas":2,'
    b'"x":{"a":1,"a":2},"c":[{"i":1,"i":2}]}}'
)


def test_findings_stand_in_the_order_of_the_text() -> None:
    found = strictjson.duplicate_keys(TEXT, strictjson.decode(TEXT))
    unknown = ['unknown field "metadata.u"', 'unknown field "spec.x"']
    assert strictjson.findings(found, unknown) == [
        'duplicate field "metadata.name"',
        'unknown field "metadata.u"',
        'duplicate field "spec.replicas"',
        'unknown field "spec.x"',
        'duplicate field "spec.c[0].i"',
    ]
    assert strictjson.findings([], unknown) == unknown


@pytest.mark.parametrize(
    "text",
    [
        b'{"a\\\\":1,"a\\\\":2}',
        b'{"a":1,"a"  :2}',
        b'{"a":1,"\\u0061":2}',
        b'{"s":"x\\":","a":1,"a":2}',
        b'{"s":": :","a":1,"a":2}',
    ],
)
def test_equal_keys_do_not_hide(text: bytes) -> None:
    assert strictjson.duplicate_keys(text, strictjson.decode(text))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(':"\\ ab{}'),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(':"\\ ab'), inner, max_size=3)
    ),
)


@given(JSON, st.sampled_from([(",", ":"), (", ", " : "), (",\n", ": ")]))
def test_no_false_alarm(value: object, separators: tuple[str, str]) -> None:
    text = json.dumps(value, separators=separators, ensure_ascii=False).encode()
    decoded = strictjson.decode(text)
    assert decoded == value
    assert strictjson.duplicate_keys(text, decoded) == []


@pytest.mark.parametrize(
    "text", [b"", b"{", b'{"a":NaN}', b'{"a":1}x', b"[" * 2000, b"[" * 201 + b"]" * 201]
)
def test_refused(text: bytes) -> None:
    with pytest.raises(SyntaxFault):
        strictjson.decode(text)


def test_yaml_scalars() -> None:
    text = b"a: [yes, off, 2001-01-01, 1:30, 0x10, 010, 1e3, .5, 'x', ~, -7]\n1: x\ntrue: z\n"
    assert strictyaml.decode(text) == (
        {
            "a": [True, False, "2001-01-01", "1:30", 16, 8, 1000.0, 0.5, "x", None, -7],
            "1": "x",
            "true": "z",
        },
        [],
    )


def test_yaml_names_equal_keys_by_line() -> None:
    value, repeated = strictyaml.decode(b"a: 1\nb:\n  c: 1\n  c: 2\n")
    assert value == {"a": 1, "b": {"c": 2}}
    assert repeated == ['line 4: key "c" already set in map']


@pytest.mark.parametrize(
    "text",
    [b"a: &x 1\nb: *x", b"a: .nan", b"a: !foo x", b"a: b: c", b"--- 1\n--- 2", b"<<: {a: 1}",
     b"[" * 300 + b"]" * 300],
)  # fmt: skip
def test_yaml_refused(text: bytes) -> None:
    with pytest.raises(SyntaxFault):
        strictyaml.decode(text)
