# SPDX-License-Identifier: Apache-2.0
"""The table of admission plugins, in upstream's order: plugins.json, name -> module.

Those of `last` are made elsewhere, or charged last: they come after all others, in this order, and
are handed in as `extra`. What upstream turns on by default and is not built is `unsupported`:
asking for it fails by name.
"""

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pkgutil import resolve_name
from typing import Any

from pybernetes.apiserver.admission.chain import Chain
from pybernetes.apiserver.admission.plugin import Parts, Plugin


def table() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        resources.files(__package__).joinpath("plugins.json").read_text()
    )
    return found


def build(
    parts: Parts,
    *,
    enable: Sequence[str] = (),
    disable: Sequence[str] = (),
    extra: Mapping[str, Plugin] | None = None,
) -> Chain:
    """The chain. Raises ValueError for a plugin that is unknown or not supported.

    `enable` and `disable` are upstream's flags; all `plugins` of the table are on by default.
    """
    last, known = extra or {}, table()
    for name in enable:
        if name in known["unsupported"] or (name in known["last"] and name not in last):
            raise ValueError(f"unsupported admission plugin: {name}")
    for name in [*enable, *disable, *last]:
        if not any(name in names for names in known.values()):
            raise ValueError(f"unknown admission plugin: {name}")
    chosen: list[Plugin] = [
        resolve_name(f"{__package__}.{module}:{name}")(parts)
        for name, module in known["plugins"].items()
        if name not in disable
    ]
    chosen += [last[name] for name in known["last"] if name in last and name not in disable]
    return Chain(chosen)
