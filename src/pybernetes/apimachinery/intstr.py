# SPDX-License-Identifier: Apache-2.0
"""IntOrString: a number, or text that is a percentage ("25%") or a name."""

import re

_PERCENT = re.compile(r"[+-]?[0-9]+%")


def is_percent(value: int | str) -> bool:
    return isinstance(value, str) and _PERCENT.fullmatch(value) is not None


def scaled(value: int | str, total: int, *, round_up: bool) -> int:
    """The number meant: a percentage is taken of `total`. Raises ValueError in upstream's words."""
    if isinstance(value, int):
        return value
    if not value.endswith("%"):
        raise ValueError("invalid value for IntOrString: invalid type: string is not a percentage")
    if not is_percent(value):
        raise ValueError(
            f'invalid value for IntOrString: invalid value "{value}": '
            f'strconv.Atoi: parsing "{value[:-1]}": invalid syntax'
        )
    product = int(value[:-1]) * total
    return -(-product // 100) if round_up else product // 100
