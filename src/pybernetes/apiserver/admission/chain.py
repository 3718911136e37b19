# SPDX-License-Identifier: Apache-2.0
"""The chain: all plugins as one; only those that care for a kind of request are asked."""

from collections.abc import Sequence

from pybernetes.apiserver.admission.plugin import GroupResource, Plugin, resource_of
from pybernetes.apiserver.types import AdmissionRequest, Operation


class Chain:
    """`Admission`: plugins in their order."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self.plugins = plugins
        self._chosen: dict[tuple[GroupResource, str, Operation], list[Plugin]] = {}

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
        resource, subresource, operation = key = (
            resource_of(request),
            request.subresource,
            request.operation,
        )
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
