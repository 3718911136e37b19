# SPDX-License-Identifier: Apache-2.0
"""kube-proxy's metrics, by upstream's names (pkg/proxy/metrics). One IP family: IPv4."""

from collections.abc import Mapping

from pybernetes.base.env import Env
from pybernetes.base.metrics import counter, exponential, gauge, histogram

_BUCKETS = {
    "network_programming": (0.25, 0.5, *range(1, 60), *range(60, 120, 5), *range(120, 301, 30)),
}
HISTOGRAMS: Mapping[str, str] = {  # without their ending _duration_seconds
    "sync_proxy_rules": "SyncProxyRules latency in seconds",
    "sync_full_proxy_rules": "SyncProxyRules latency in seconds for full resyncs",
    "sync_partial_proxy_rules": "SyncProxyRules latency in seconds for partial resyncs",
    "network_programming": "In Cluster Network Programming Latency in seconds",
    "conntrack_reconciler_sync": "ReconcileConntrackFlowsLatency latency in seconds",
}
GAUGES: Mapping[str, str] = {
    "sync_proxy_rules_last_timestamp_seconds": "The last time proxy rules were successfully synced",
    "sync_proxy_rules_last_queued_timestamp_seconds": "The last time a sync of proxy rules was queued",
}
COUNTERS: Mapping[str, str] = {
    "sync_proxy_rules_nftables_sync_failures": "Cumulative proxy nftables sync failures",
    "conntrack_reconciler_deleted_entries": "Cumulative conntrack flows deleted by conntrack reconciler",
}
_FAMILY = "ip_family"


class ProxyMetrics:
    """`seconds`, `gauges`, `counters`: by name, without the prefix kubeproxy_."""

    def __init__(self, env: Env) -> None:
        buckets = exponential(0.001, 2, 15)
        self.seconds = {
            name: histogram(
                env, f"kubeproxy_{name}_duration_seconds", about, (_FAMILY,),
                buckets=_BUCKETS.get(name, buckets),
            ).labels("IPv4")
            for name, about in HISTOGRAMS.items()
        }  # fmt: skip
        self.gauges = {
            name: gauge(env, f"kubeproxy_{name}", about, (_FAMILY,)).labels("IPv4")
            for name, about in GAUGES.items()
        }
        self.counters = {
            name: counter(env, f"kubeproxy_{name}", about, (_FAMILY,)).labels("IPv4")
            for name, about in COUNTERS.items()
        }
        name = "kubeproxy_sync_proxy_rules_no_local_endpoints_total"
        about = "Number of services with a Local traffic policy and no endpoints"
        self.no_local = gauge(env, name, about, ("traffic_policy", _FAMILY))
