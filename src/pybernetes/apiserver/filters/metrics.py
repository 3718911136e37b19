# SPDX-License-Identifier: Apache-2.0
"""apiserver_request_total and its companions: one dictionary look-up a request."""

from prometheus_client import Counter, Histogram

from pybernetes.apiserver.context import Context
from pybernetes.apiserver.filters.inflight import is_long_running
from pybernetes.apiserver.filters.types import Filter
from pybernetes.base import metrics
from pybernetes.base.env import Env
from pybernetes.wire.types import Reply, Response, StreamingResponse

_LABELS = ("verb", "group", "version", "resource", "subresource", "scope")
_SECONDS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15)
_NAMES = {"deletecollection": "DELETECOLLECTION", "update": "PUT", "create": "POST"}


class Metrics(Filter):
    """Counts every request when its answer leaves."""

    def __init__(self, env: Env) -> None:
        self._now = env.clock.monotonic
        self._total = metrics.counter(
            env,
            "apiserver_request",
            "Counter of apiserver requests by verb, resource and code",
            (*_LABELS, "component", "dry_run", "code"),
        )
        self._seconds = metrics.histogram(
            env,
            "apiserver_request_duration_seconds",
            "Response latency distribution in seconds",
            (*_LABELS, "component", "dry_run"),
            buckets=_SECONDS,
        )
        self._pairs: dict[tuple[str | int, ...], tuple[Counter, Histogram | None]] = {}

    def leave(self, ctx: Context, reply: Reply) -> None:
        info = ctx.info
        status = reply.status if isinstance(reply, Response | StreamingResponse) else 101
        dry = "All" if ctx.params and "dryRun" in ctx.params else ""
        scope = "resource" if info.name else "namespace" if info.namespace else "cluster"
        if not info.is_resource:
            scope = ""
        what = (info.verb, info.group, info.version, info.resource, info.subresource, scope)
        pair = self._pairs.get((*what, dry, status))
        if pair is None:
            verb = _NAMES.get(info.verb) or info.verb.upper()
            labels = (verb, *what[1:], "apiserver", dry)
            seconds = None if is_long_running(ctx) else self._seconds.labels(*labels)
            pair = self._total.labels(*labels, str(status)), seconds
            self._pairs[(*what, dry, status)] = pair
        pair[0].inc()
        if pair[1] is not None:
            pair[1].observe(self._now() - ctx.started)
