# SPDX-License-Identifier: Apache-2.0
"""Field errors, worded as upstream's validation/field package words them."""

import json
from dataclasses import dataclass
from typing import Any


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


def required(path: str, detail: str = "") -> FieldError:
    return FieldError("FieldValueRequired", path, _join("Required value", detail))


def invalid(path: str, value: Any, detail: str) -> FieldError:
    return FieldError("FieldValueInvalid", path, _join(f"Invalid value: {show(value)}", detail))


def not_supported(path: str, value: Any, supported: list[str]) -> FieldError:
    known = ", ".join(show(item) for item in sorted(supported))
    detail = f"supported values: {known}" if supported else ""
    return FieldError(
        "FieldValueNotSupported", path, _join(f"Unsupported value: {show(value)}", detail)
    )


def duplicate(path: str, value: Any) -> FieldError:
    return FieldError("FieldValueDuplicate", path, f"Duplicate value: {show(value)}")


def forbidden(path: str, detail: str) -> FieldError:
    return FieldError("FieldValueForbidden", path, _join("Forbidden", detail))


def not_found(path: str, value: Any) -> FieldError:
    return FieldError("FieldValueNotFound", path, f"Not found: {show(value)}")


def too_long(path: str, maximum: int) -> FieldError:
    unit = "byte" if maximum == 1 else "bytes"
    return FieldError("FieldValueTooLong", path, f"Too long: may not be more than {maximum} {unit}")


def too_many(path: str, actual: int, maximum: int) -> FieldError:
    unit = "item" if maximum == 1 else "items"
    return FieldError(
        "FieldValueTooMany",
        path,
        f"Too many: {actual}: must have at most {maximum} {unit}",
    )


def _join(head: str, detail: str) -> str:
    return f"{head}: {detail}" if detail else head
