# SPDX-License-Identifier: Apache-2.0
"""The table of admission plugins, in upstream's order: plugins.json, name -> module.

Those of `last` are made elsewhere, or charged last: they come after all others, in this order, and
are handed in. What upstream turns on by default and is not built is `unsupported`.
"""

from collections.abc import Mapping
from pkgutil import resolve_name
from types import MappingProxyType

from pybernetes.apis.data.sections import document
from pybernetes.apiserver.admission.chain import Chain
from pybernetes.apiserver.admission.plugin import Parts, Plugin


def build(parts: Parts, last: Mapping[str, Plugin] = MappingProxyType({})) -> Chain:
    """The chain. `last`: plugins of the table's `last` that are made elsewhere."""
    known = document("plugins.json", __package__)
    first = [
        resolve_name(f"{__package__}.{module}:{name}")(parts)
        for name, module in known["plugins"].items()
    ]
    return Chain([*first, *(last[name] for name in known["last"] if name in last)])
