# SPDX-License-Identifier: Apache-2.0
"""managedFields of a write: who set which field."""

from pybernetes.apimachinery.types import Object
from pybernetes.apiserver.context import Context, Core
from pybernetes.apiserver.rest.options import WriteOptions


def record_update(
    core: Core, ctx: Context, new: Object, old: Object | None, *, options: WriteOptions
) -> None:
    """Enter the manager of a create, update or patch; both objects in the served version."""
