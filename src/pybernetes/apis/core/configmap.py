# SPDX-License-Identifier: Apache-2.0
"""ConfigMap: keys and values, optionally immutable; and what Secret shares with it."""

from pybernetes.apimachinery.field import Errors, forbidden, invalid, too_long
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.names import config_key

MAX_SIZE = 1024 * 1024
_IMMUTABLE = "field is immutable when `immutable` is set"


def decoded_size(data: dict[str, str]) -> int:
    """How many bytes base64 values hold."""
    return sum(len(value) * 3 // 4 - value[-2:].count("=") for value in data.values())


def validate_immutable_data(
    new: Object, old: Object, fields: tuple[str, ...], errors: Errors
) -> None:
    """What `immutable: true` forbids, itself included."""
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        errors.append(forbidden("immutable", _IMMUTABLE))
    for field in fields:
        if (new.get(field) or {}) != (old.get(field) or {}):
            errors.append(forbidden(field, _IMMUTABLE))


def _validate(config: Object) -> Errors:
    errors: Errors = []
    data, binary = config.get("data") or {}, config.get("binaryData") or {}
    for field, values in (("data", data), ("binaryData", binary)):
        for key in values:
            errors.extend(invalid(f"{field}[{key}]", key, text) for text in config_key(key))
    for key in data:
        if key in binary:
            text = "duplicate of key present in binaryData"
            errors.append(invalid(f"data[{key}]", key, text))
    size = sum(len(value.encode()) for value in data.values()) + decoded_size(binary)
    if size > MAX_SIZE:
        errors.append(too_long("", MAX_SIZE))
    return errors


def _validate_update(new: Object, old: Object) -> Errors:
    errors: Errors = []
    validate_immutable_data(new, old, ("data", "binaryData"), errors)
    return errors + _validate(new)


def _size(config: Object, _: object) -> int:
    return len(config.get("data") or ()) + len(config.get("binaryData") or ())


CONFIG_MAP = Kind(
    validate_create=_validate,
    validate_update=_validate_update,
    columns=(NAME, Column("Data", _size), AGE),
)
