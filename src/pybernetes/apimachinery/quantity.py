# SPDX-License-Identifier: Apache-2.0
"""Quantities ("1500m", "2Gi", "1e3"): exact, printed in upstream's canonical form (resource.Quantity).

A quantity is an integer count of nano-units and the family of suffixes it is printed with. Finer
amounts round up (away from zero), binary ones are capped at 2^63-1, both as upstream does.
Decimal exponents beyond +-1000 are refused (upstream accepts them and stalls on them later).
"""

import re
from dataclasses import dataclass
from functools import lru_cache, total_ordering
from typing import Literal

Format = Literal["DecimalSI", "BinarySI", "DecimalExponent"]

_NANO = 10**9
_MAX_BINARY = (2**63 - 1) * _NANO
_PARTS = re.compile(r"([+-]?)0*([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*(?:[-+]?[0-9]*))")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_NAMES = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY_NAMES = ("", *_BINARY)
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]{1,4})")

_WRONG_FORMAT = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)
_WRONG_NUMBER = "unable to parse numeric part of quantity"
_WRONG_SUFFIX = "unable to parse quantity's suffix"


class QuantityError(ValueError):
    """A text that is no quantity; the message is upstream's."""


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """An exact amount. Compares and adds by amount; `str()` is what goes over the wire."""

    nano: int = 0
    format: Format = "DecimalSI"
    text: str = ""  # as written, where upstream keeps it; "" otherwise

    def __str__(self) -> str:
        return self.text or _canonical(self.nano, self.format)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.nano == other.nano

    def __lt__(self, other: "Quantity") -> bool:
        return self.nano < other.nano

    def __hash__(self) -> int:
        return hash(self.nano)

    def __bool__(self) -> bool:
        return self.nano != 0

    def __add__(self, other: "Quantity") -> "Quantity":
        return Quantity(self.nano + other.nano, self.format if self.nano else other.format)

    def __sub__(self, other: "Quantity") -> "Quantity":
        return Quantity(self.nano - other.nano, self.format if self.nano else other.format)

    def to_int(self) -> int:
        """Whole units, rounded away from zero (upstream's Value)."""
        return _divide_up(self.nano, _NANO)

    def to_milli(self) -> int:
        """Thousandths, rounded away from zero (upstream's MilliValue)."""
        return _divide_up(self.nano, 10**6)

    def to_float(self) -> float:
        return self.nano / _NANO


def parse(value: str | float) -> Quantity:
    """The quantity that a JSON string or number says. Raises QuantityError."""
    return _parse(value if isinstance(value, str) else repr(value).removesuffix(".0"))


def from_int(amount: int, form: Format = "DecimalSI") -> Quantity:
    return Quantity(amount * _NANO, form)


def canonical(value: str | float) -> str:
    """The text that upstream stores for what was written. Raises QuantityError."""
    return str(parse(value))


@lru_cache(maxsize=8192)
def _parse(text: str) -> Quantity:
    if text == "0":
        return Quantity(0, "DecimalSI", "0")
    text = text.strip()
    match = _PARTS.fullmatch(text)
    if not text or match is None:
        raise QuantityError(_WRONG_FORMAT)
    sign, number, fraction, suffix = match.groups()
    number, fraction = number or "0", fraction or ""
    base, exponent, form = _suffix(suffix)
    if len(text) > 256:
        raise QuantityError(_WRONG_NUMBER)
    if not any(character.isdigit() for character in text[: len(text) - len(suffix)]):
        raise QuantityError(_WRONG_NUMBER)
    nano = _nano(int(number + fraction), -len(fraction), base, exponent)
    if form == "BinarySI":
        nano = min(nano, _MAX_BINARY)
        form = "DecimalSI" if 0 < nano < _NANO else form
    keep = _keeps_text(number, fraction, exponent, form)
    return Quantity(-nano if sign == "-" else nano, form, text if keep else "")


def _suffix(suffix: str) -> tuple[int, int, Format]:
    if suffix in _DECIMAL:
        return 10, _DECIMAL[suffix], "DecimalSI"
    if suffix in _BINARY:
        return 2, _BINARY[suffix], "BinarySI"
    match = _EXPONENT.fullmatch(suffix)
    if match is None or abs(int(match[1])) > 1000:
        raise QuantityError(_WRONG_SUFFIX)
    return 10, int(match[1]), "DecimalExponent"


def _nano(digits: int, scale: int, base: int, exponent: int) -> int:
    """digits * 10^scale * base^exponent in nano-units, rounded up."""
    if base == 2:
        digits <<= exponent
        power = scale + 9
    else:
        power = scale + exponent + 9
    return digits * 10**power if power >= 0 else _divide_up(digits, 10**-power)


def _keeps_text(number: str, fraction: str, exponent: int, form: Format) -> bool:
    """Whether upstream's fast path parses this, and then prints what was written."""
    if form == "BinarySI":
        room = 15 - len(number) - exponent * 3 // 10 - 1
        return not fraction and room >= 0 and int(number) & 7 != 0
    scale = exponent - len(fraction)
    digits = number + fraction
    fast = len(digits) <= 18 and scale >= -9
    return fast and scale % 3 == 0 and not digits.endswith("000") and digits[0] != "0"


def _divide_up(amount: int, unit: int) -> int:
    return -(-amount // unit) if amount >= 0 else amount // unit


def _canonical(nano: int, form: Format) -> str:
    if nano == 0:
        return "0"
    if form == "BinarySI" and nano % _NANO == 0 and abs(nano) >= 1024 * _NANO:
        return _canonical_binary(nano // _NANO)
    return _canonical_decimal(nano, "DecimalSI" if form == "BinarySI" else form)


def _canonical_binary(amount: int) -> str:
    step = 0
    while amount % 1024 == 0 and step < 6:
        amount //= 1024
        step += 1
    return f"{amount}{_BINARY_NAMES[step]}"


def _canonical_decimal(nano: int, form: Format) -> str:
    exponent = -9
    limit = 18 if form == "DecimalSI" else 10**9
    while nano % 1000 == 0 and exponent < limit:
        nano //= 1000
        exponent += 3
    if form == "DecimalSI":
        return f"{nano}{_DECIMAL_NAMES[exponent]}"
    return f"{nano}e{exponent}" if exponent else str(nano)
