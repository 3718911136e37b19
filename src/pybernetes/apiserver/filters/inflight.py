# SPDX-License-Identifier: Apache-2.0
"""At most so many requests at once, reads and writes counted apart (upstream's max-in-flight).

Priority and fairness (FlowSchema, PriorityLevelConfiguration) is not supported: its objects are
stored and served, and have no effect. Watches and other long-running requests are not counted.
"""

from pybernetes.apimachinery.errors import too_many_requests
from pybernetes.apiserver.config import Config
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.filters.types import Filter
from pybernetes.wire.types import Reply

LONG_RUNNING = frozenset({"log", "exec", "attach", "portforward", "proxy"})
_READS = frozenset({"get", "list"})


def is_long_running(ctx: Context) -> bool:
    info = ctx.info
    if info.verb in ("watch", "proxy"):
        return True
    return info.subresource in LONG_RUNNING


class MaxInFlight(Filter):
    """`reading` and `mutating`: requests that are being answered now."""

    def __init__(self, config: Config) -> None:
        self._limits = {
            "read": config.max_requests_inflight,
            "write": config.max_mutating_requests_inflight,
        }
        self.now = {"read": 0, "write": 0}

    def enter(self, ctx: Context) -> None:
        if is_long_running(ctx) or "system:masters" in ctx.user.groups:
            return
        which = "read" if ctx.info.verb in _READS else "write"
        if self.now[which] >= self._limits[which] > 0:
            raise too_many_requests("too many requests, please try again later")
        self.now[which] += 1
        ctx.counted = which

    def leave(self, ctx: Context, reply: Reply) -> None:
        if ctx.counted:
            self.now[ctx.counted] -= 1
            ctx.counted = ""
