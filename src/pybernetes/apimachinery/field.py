# SPDX-License-Identifier: Apache-2.0
"""Field paths and field errors, worded as upstream's validation/field package words them."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Path:
    """Where in an object: Path("spec").child("containers").index(0) prints spec.containers[0]."""

    text: str = ""

    def child(self, *names: str) -> "Path":
        return Path(".".join((self.text, *names)) if self.text else ".".join(names))

    def index(self, number: int) -> "Path":
        return Path(f"{self.text}[{number}]")

    def key(self, name: str) -> "Path":
        return Path(f"{self.text}[{name}]")

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class FieldError:
    """One finding. `reason` is upstream's cause type (FieldValueInvalid, ...)."""

    reason: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


Errors = list[FieldError]


def show(value: Any) -> str:
    """A value as Go prints it in these messages: strings quoted, the rest as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def required(path: Path | str, detail: str = "") -> FieldError:
    return FieldError("FieldValueRequired", str(path), _join("Required value", detail))


def invalid(path: Path | str, value: Any, detail: str) -> FieldError:
    return FieldError(
        "FieldValueInvalid", str(path), _join(f"Invalid value: {show(value)}", detail)
    )


def not_supported(path: Path | str, value: Any, supported: list[str]) -> FieldError:
    known = ", ".join(show(item) for item in sorted(supported))
    detail = f"supported values: {known}" if supported else ""
    return FieldError(
        "FieldValueNotSupported", str(path), _join(f"Unsupported value: {show(value)}", detail)
    )


def duplicate(path: Path | str, value: Any) -> FieldError:
    return FieldError("FieldValueDuplicate", str(path), f"Duplicate value: {show(value)}")


def forbidden(path: Path | str, detail: str) -> FieldError:
    return FieldError("FieldValueForbidden", str(path), _join("Forbidden", detail))


def not_found(path: Path | str, value: Any) -> FieldError:
    return FieldError("FieldValueNotFound", str(path), f"Not found: {show(value)}")


def too_long(path: Path | str, maximum: int) -> FieldError:
    unit = "byte" if maximum == 1 else "bytes"
    return FieldError(
        "FieldValueTooLong", str(path), f"Too long: may not be more than {maximum} {unit}"
    )


def too_many(path: Path | str, actual: int, maximum: int) -> FieldError:
    unit = "item" if maximum == 1 else "items"
    return FieldError(
        "FieldValueTooMany",
        str(path),
        f"Too many: {actual}: must have at most {maximum} {unit}",
    )


def _join(head: str, detail: str) -> str:
    return f"{head}: {detail}" if detail else head
