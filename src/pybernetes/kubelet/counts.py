# SPDX-License-Identifier: Apache-2.0
"""What the kubelet's /metrics say of its pods, counted when somebody asks."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pybernetes.kubelet import status
from pybernetes.kubelet.admission import is_static
from pybernetes.kubelet.pods.workers import Workers
from pybernetes.kubelet.tools import Tools
from pybernetes.linux import cgroups


class Counts(Collector):
    """Upstream's gauges, by its names. `mirrors`: the mirror pods there are."""

    def __init__(self, tools: Tools, workers: Workers, mirrors: Collection[object]) -> None:
        self._tools, self._workers, self._mirrors = tools, workers, mirrors

    def collect(self) -> Iterator[Metric]:
        records, states = self._workers.records(), self._tools.pleg.states()
        name = self._tools.config.node_name
        waiting = Counter(
            r.conditions[status.PENDING]["reason"].lower()
            for r in records
            if status.PENDING in r.conditions
        )
        busy = sum(status.IN_PROGRESS in r.conditions for r in records)
        containers = Counter(str(c.state) for s in states for c in s.containers)
        wanted = Counter("true" if is_static(r.pod) else "" for r in records if not r.gone)
        active = Counter("true" if is_static(pod) else "" for pod in self._workers.active())
        yield _family("node_name", "The node's name. The count is always 1.", "node", {name: 1})
        yield _family(
            "cgroup_version", "cgroup version on the hosts.", "", {"": 1 + cgroups.unified()}
        )
        running = sum(s.sandbox is not None for s in states)
        yield _family("running_pods", "Number of pods with a running sandbox.", "", {"": running})
        yield _family("running_containers", "Number of containers.", "container_state", containers)
        yield _family("desired_pods", "Pods the kubelet is told to run.", "static", wanted)
        yield _family("active_pods", "Pods that are not over.", "static", active)
        yield _family("mirror_pods", "Mirror pods in the API.", "", {"": len(self._mirrors)})
        yield _family("pod_pending_resizes", "Resizes that wait.", "reason", waiting)
        yield _family("pod_in_progress_resizes", "Resizes on their way.", "", {"": busy})


def _family(name: str, about: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(f"kubelet_{name}", about, labels=[label] if label else [])
    for key, value in values.items():
        family.add_metric([key] if label else [], value)
    return family
