# SPDX-License-Identifier: Apache-2.0
"""The chain: all plugins as one; only those that care for a kind of request are asked."""

from collections.abc import Sequence

from pybernetes.apiserver.types import AdmissionPlugin, AdmissionRequest, Operation

_Key = tuple[str, str, Operation]


class Chain:
    """AdmissionPlugin made of others, in their order. A plugin that is no `Plugin` is always asked."""

    name = "Chain"

    def __init__(self, plugins: Sequence[AdmissionPlugin]) -> None:
        self.plugins = tuple(plugins)
        self._chosen: dict[_Key, tuple[AdmissionPlugin, ...]] = {}

    async def admit(self, request: AdmissionRequest) -> None:
        for plugin in self._for(request):
            await plugin.admit(request)

    async def validate(self, request: AdmissionRequest) -> None:
        for plugin in self._for(request):
            await plugin.validate(request)

    def _for(self, request: AdmissionRequest) -> tuple[AdmissionPlugin, ...]:
        gvr = request.resource.gvr
        key = (gvr.group, gvr.resource, request.operation)
        chosen = self._chosen.get(key)
        if chosen is None:
            chosen = tuple(plugin for plugin in self.plugins if _cares(plugin, key))
            self._chosen[key] = chosen
        return chosen


def _cares(plugin: AdmissionPlugin, key: _Key) -> bool:
    operations = getattr(plugin, "operations", None)
    resources = getattr(plugin, "resources", None)
    if operations is not None and key[2] not in operations:
        return False
    return resources is None or key[:2] in resources
