# SPDX-License-Identifier: Apache-2.0
"""The table of admission plugins, in upstream's order: plugins.json, name -> module.

Those of `last` are made elsewhere, or charged last: they come after all others, in this order, and
are handed in. What upstream turns on by default and is not built is `unsupported`.
"""

from collections.abc import Mapping, Sequence
from pkgutil import resolve_name
from types import MappingProxyType

from pybernetes.apis.data.sections import document
from pybernetes.apiserver.admission.plugin import Plugin
from pybernetes.apiserver.reading import Reader
from pybernetes.apiserver.types import AdmissionRequest, Authorizer, Operation
from pybernetes.base.env import Env


class Chain:
    """`Admission`: plugins in their order."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self.plugins = plugins
        self._chosen: dict[tuple[str, str, Operation], list[Plugin]] = {}

    async def both(self, request: AdmissionRequest) -> None:
        await self.admit(request)
        await self.validate(request)

    async def admit(self, request: AdmissionRequest) -> None:
        for plugin in self._for(request):
            await plugin.admit(request)

    async def validate(self, request: AdmissionRequest) -> None:
        for plugin in self._for(request):
            await plugin.validate(request)

    def _for(self, request: AdmissionRequest) -> list[Plugin]:
        resource, subresource, operation = key = request.of, request.subresource, request.operation
        chosen = self._chosen.get(key)
        if chosen is None:
            chosen = [
                plugin
                for plugin in self.plugins
                if operation in plugin.operations
                and (plugin.resources is None or resource in plugin.resources)
                and (plugin.subresources is None or subresource in plugin.subresources)
            ]
            self._chosen[key] = chosen
        return chosen


def build(
    env: Env,
    reader: Reader,
    authorizer: Authorizer,
    last: Mapping[str, Plugin] = MappingProxyType({}),
) -> Chain:
    """The chain. `last`: plugins of the table's `last` that are made elsewhere."""
    known = document("plugins.json", __package__)
    first = [
        resolve_name(f"{__package__}.{module}:{name}")(env, reader, authorizer)
        for name, module in known["plugins"].items()
    ]
    return Chain([*first, *(last[name] for name in known["last"] if name in last)])
