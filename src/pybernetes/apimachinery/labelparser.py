# SPDX-License-Identifier: Apache-2.0
"""The text of a label selector as terms: "x in (a,b),!y,z=1". Grammar and errors are upstream's."""

import re
from typing import NamedTuple

from pybernetes.apimachinery import names
from pybernetes.apimachinery.field import show

_TOKEN = re.compile(r"[ \t\r\n]*(?:([=!(),<>]+)|([^=!(),<> \t\r\n]+))")
_SYMBOLS = ("==", "!=", ")", ",", "!", "=", ">", "<", "(")
_OPERATORS = {"in": "in", "=": "=", "==": "==", ">": "gt", "<": "lt", "notin": "notin", "!=": "!="}
_EXPECTED = "in, notin, =, ==, !=, gt, lt"


class SelectorError(ValueError):
    """A selector that cannot be understood; the message is upstream's."""


Term = tuple[str, str, tuple[str, ...]]
"""Key, operator, values. Operators: = == != in notin gt lt exists ! (upstream's selection.Operator)."""


class _Token(NamedTuple):
    kind: str  # "name" for an identifier, "" at the end, else the symbol itself
    text: str


_END = _Token("", "")


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    for match in _TOKEN.finditer(text.rstrip(" \t\r\n")):
        symbols, name = match.groups()
        if name is not None:
            found.append(_Token("name", name))
            continue
        while symbols:
            symbol = next(known for known in _SYMBOLS if symbols.startswith(known))
            found.append(_Token(symbol, symbol))
            symbols = symbols[len(symbol) :]
    found.append(_END)
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    def _peek(self) -> _Token:
        return self._tokens[min(self._at, len(self._tokens) - 1)]

    def _next(self) -> _Token:
        token = self._peek()
        self._at += 1
        return token

    def terms(self) -> list[Term]:
        found: list[Term] = []
        while self._peek().kind:
            if self._peek().kind not in {"name", "!"}:
                raise SelectorError(
                    f"found '{self._peek().text}', expected: !, identifier, or 'end of string'"
                )
            try:
                found.append(self._term())
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from error
            after = self._next()
            if after.kind not in {"", ","}:
                raise SelectorError(f"found '{after.text}', expected: ',' or 'end of string'")
            if after.kind and self._peek().kind not in {"name", "!"}:
                raise SelectorError(f"found '{self._peek().text}', expected: identifier after ','")
        return found

    def _term(self) -> Term:
        token = self._next()
        negated = token.kind == "!"
        if negated:
            token = self._next()
        if token.kind != "name":
            raise SelectorError(f"found '{token.text}', expected: identifier")
        wrong = names.label_key(token.text)
        if wrong:
            raise SelectorError(f"<nil>: Invalid value: {show(token.text)}: {'; '.join(wrong)}")
        if negated:
            return token.text, "!", ()
        if self._peek().kind in {"", ","}:
            return token.text, "exists", ()
        operator = self._operator()
        values = self._set() if operator in {"in", "notin"} else self._exact()
        return token.text, operator, values

    def _operator(self) -> str:
        token = self._next()
        if token.text not in _OPERATORS:
            raise SelectorError(f"found '{token.text}', expected: {_EXPECTED}")
        return _OPERATORS[token.text]

    def _exact(self) -> tuple[str, ...]:
        if self._peek().kind in {"", ","}:
            return ("",)
        token = self._next()
        if token.kind != "name":
            raise SelectorError(f"found '{token.text}', expected: identifier")
        return (token.text,)

    def _set(self) -> tuple[str, ...]:
        token = self._next()
        if token.kind != "(":
            raise SelectorError(f"found '{token.text}' expected: '('")
        first = self._peek()
        if first.kind == ")":
            self._next()
            return ("",)
        if first.kind not in {"name", ","}:
            raise SelectorError(f"found '{first.text}', expected: ',', ')' or identifier")
        values = self._values()
        self._next()
        return tuple(sorted(set(values)))

    def _values(self) -> list[str]:
        """Comma-separated values up to the closing parenthesis; any of them may be empty."""
        values: list[str] = []
        while True:
            token = self._next()
            if token.kind == "name":
                values.append(token.text)
                if self._peek().kind == ")":
                    return values
                if self._peek().kind != ",":
                    raise SelectorError(f"found '{self._peek().text}', expected: ',' or ')'")
            elif token.kind == ",":
                if not values or self._peek().kind == ",":
                    values.append("")
                if self._peek().kind == ")":
                    return [*values, ""]
            else:
                raise SelectorError(f"found '{token.text}', expected: ',', or identifier")


def parse_terms(text: str) -> list[Term]:
    """The terms in the order written. Raises SelectorError."""
    return _Parser(text).terms()
