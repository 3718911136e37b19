# SPDX-License-Identifier: Apache-2.0
"""Runs the admission plugins: all mutating ones, then all validating ones."""

from pybernetes.apiserver.context import Context, Core
from pybernetes.apiserver.types import AdmissionRequest


async def mutate(core: Core, request: AdmissionRequest) -> None:
    for plugin in core.admission:
        await plugin.admit(request)


async def validate(core: Core, ctx: Context, request: AdmissionRequest) -> None:
    for plugin in core.admission:
        await plugin.validate(request)
    ctx.warnings += [w for w in request.warnings if w not in ctx.warnings]
