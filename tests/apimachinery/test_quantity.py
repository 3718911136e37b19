# SPDX-License-Identifier: Apache-2.0
"""Quantities: what upstream's resource.Quantity prints, compares and refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.quantity import Quantity, QuantityError, canonical, parse


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("0", "0"),
        ("00", "0"),
        ("0m", "0"),
        ("1", "1"),
        ("+1", "+1"),  # upstream keeps a text that its fast path reads as canonical
        ("1.5", "1500m"),
        ("1.500", "1.500"),
        (".5", "500m"),
        ("0.1", "100m"),
        ("1000m", "1"),
        ("1000k", "1M"),
        ("100000000000000000000", "100E"),
        ("1.5Gi", "1536Mi"),
        ("1024Mi", "1Gi"),
        ("2048Ki", "2Mi"),
        ("1020Ki", "1020Ki"),
        ("0.1Ki", "102400m"),
        ("1.1Mi", "1153433600m"),
        ("-1.5Gi", "-1536Mi"),
        ("1e3", "1e3"),
        ("1e4", "10e3"),
        ("1E", "1E"),
        ("0.1n", "1n"),
        ("8Ei", "9223372036854775807"),
        (2, "2"),
        (0.5, "500m"),
    ],
)
def test_canonical_form(written: str | float, printed: str) -> None:
    assert canonical(written) == printed


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("", "quantities must match the regular expression"),
        ("a", "quantities must match the regular expression"),
        ("1.1.1", "quantities must match the regular expression"),
        ("1Kii", "unable to parse quantity's suffix"),
        ("1e", "unable to parse quantity's suffix"),
        ("1e999999999", "unable to parse quantity's suffix"),
    ],
)
def test_refused(written: str, message: str) -> None:
    with pytest.raises(QuantityError, match=message.replace("'", ".")):
        parse(written)


def test_rounding_is_away_from_zero() -> None:
    assert (parse("1.1").to_int(), parse("-1.1").to_int()) == (2, -2)
    assert (parse("100u").to_milli(), parse("250m").to_milli()) == (1, 250)


def test_arithmetic_keeps_the_family_of_suffixes() -> None:
    assert str(parse("1Gi") + parse("1Gi")) == "2Gi"
    assert str(Quantity() + parse("1Gi")) == "1Gi"
    assert str(parse("100m") - parse("1")) == "-900m"
    assert parse("1Ki") > parse("1k") == parse("1000")
    assert sum((parse("100m"), parse("0.9")), Quantity()) == parse("1")


@given(st.integers(-(2**62), 2**62), st.sampled_from(["DecimalSI", "BinarySI", "DecimalExponent"]))
def test_printing_and_parsing_are_inverse(amount: int, form: quantity.Format) -> None:
    for made in (quantity.from_int(amount, form), quantity.Quantity(amount * 10**6, form)):
        assert parse(str(made)) == made
