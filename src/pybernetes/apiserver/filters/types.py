# SPDX-License-Identifier: Apache-2.0
"""The shape of a filter."""

from pybernetes.apiserver.context import Context
from pybernetes.wire.types import Reply


class Filter:
    """`enter` runs in the table's order and may refuse (ApiError); `leave` runs in reverse order.

    Neither waits. `leave` also sees the answers of refusals, and only for filters that were entered.
    """

    def enter(self, ctx: Context) -> None:
        """Nothing to do."""

    def leave(self, ctx: Context, reply: Reply) -> None:
        """Nothing to do."""
