# SPDX-License-Identifier: Apache-2.0
"""kube-proxy's metrics, by upstream's names (pkg/proxy/metrics). One IP family: IPv4."""

from collections.abc import Mapping, Sequence

from pybernetes.base.env import Env
from pybernetes.base.metrics import counter, exponential, gauge, histogram

_BUCKETS = exponential(0.001, 2, 15)
_PROGRAMMING = (0.25, 0.5, *range(1, 60), *range(60, 120, 5), *range(120, 301, 30))

HISTOGRAMS: Mapping[str, tuple[str, Sequence[float]]] = {
    "sync_proxy_rules_duration_seconds": ("SyncProxyRules latency in seconds", _BUCKETS),
    "sync_full_proxy_rules_duration_seconds": (
        "SyncProxyRules latency in seconds for full resyncs",
        _BUCKETS,
    ),
    "sync_partial_proxy_rules_duration_seconds": (
        "SyncProxyRules latency in seconds for partial resyncs",
        _BUCKETS,
    ),
    "network_programming_duration_seconds": (
        "In Cluster Network Programming Latency in seconds",
        _PROGRAMMING,
    ),
    "conntrack_reconciler_sync_duration_seconds": (
        "ReconcileConntrackFlowsLatency latency in seconds",
        _BUCKETS,
    ),
}
GAUGES: Mapping[str, str] = {
    "sync_proxy_rules_last_timestamp_seconds": "The last time proxy rules were successfully synced",
    "sync_proxy_rules_last_queued_timestamp_seconds": "The last time a sync of proxy rules was queued",
}
COUNTERS: Mapping[str, str] = {
    "sync_proxy_rules_nftables_sync_failures": "Cumulative proxy nftables sync failures",
    "sync_proxy_rules_nftables_cleanup_failures": "Cumulative proxy nftables cleanup failures",
    "conntrack_reconciler_deleted_entries": "Cumulative conntrack flows deleted by conntrack reconciler",
}
CHANGES: Mapping[str, str] = {
    f"sync_proxy_rules_{of}_changes_{state}": f"{word} proxy rules {of.capitalize()} changes"
    for of in ("endpoint", "service")
    for state, word in (("pending", "Pending"), ("total", "Cumulative"))
}


class ProxyMetrics:
    """`seconds`, `gauges`, `counters`: by name, without the prefix kubeproxy_."""

    def __init__(self, env: Env) -> None:
        family = ("ip_family",)
        self.seconds = {
            name: histogram(env, f"kubeproxy_{name}", about, family, buckets=buckets).labels("IPv4")
            for name, (about, buckets) in HISTOGRAMS.items()
        }
        self.gauges = {
            name: gauge(env, f"kubeproxy_{name}", about, family).labels("IPv4")
            for name, about in GAUGES.items()
        } | {name: gauge(env, f"kubeproxy_{name}", about) for name, about in CHANGES.items()}
        self.counters = {
            name: counter(env, f"kubeproxy_{name}", about, family).labels("IPv4")
            for name, about in COUNTERS.items()
        }
        self.no_local = gauge(
            env,
            "kubeproxy_sync_proxy_rules_no_local_endpoints_total",
            "Number of services with a Local traffic policy and no endpoints",
            ("traffic_policy", *family),
        )

    def changed(self, of: str) -> None:
        """A change of a "service" or an "endpoint" came."""
        self.gauges[f"sync_proxy_rules_{of}_changes_pending"].inc()
        self.gauges[f"sync_proxy_rules_{of}_changes_total"].inc()

    def applied(self) -> None:
        """No change waits any more."""
        for of in ("endpoint", "service"):
            self.gauges[f"sync_proxy_rules_{of}_changes_pending"].set(0)
