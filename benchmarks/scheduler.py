# SPDX-License-Identifier: Apache-2.0
"""How many pods a second the scheduling cycle decides (algorithm only): python -m benchmarks.scheduler."""

import time

from pybernetes.base.random import Random
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.cycle import Cycle
from pybernetes.scheduler.plugins.registry import PLUGINS
from pybernetes.scheduler.podinfo import Templates

NODES, PODS = 5_000, 10_000
UPSTREAM_FLOOR = 680  # pods/s: kube-scheduler's CI floor for SchedulingBasic at 5,000 nodes


def _node(number: int) -> dict[str, object]:
    size = {"cpu": "4", "memory": "32Gi", "pods": "110"}
    name = f"node-{number}"
    labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": f"z{number % 3}"}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {},
        "status": {"allocatable": size},
    }


def _pod(number: int) -> dict[str, object]:
    size = {"cpu": "100m", "memory": "500Mi"}
    container = {"name": "c", "image": "i", "resources": {"requests": size, "limits": size}}
    metadata = {"name": f"p{number}", "namespace": "bench", "uid": f"u{number}"}
    return {"metadata": metadata, "spec": {"containers": [container]}}


def main() -> None:
    columns, templates = NodeColumns(), Templates()
    for number in range(NODES):
        columns.upsert(_node(number))
    cycle = Cycle(columns, PLUGINS, Random(1))
    pods = [_pod(number) for number in range(PODS)]
    start = time.perf_counter()
    for pod in pods:
        assert cycle.schedule(templates.info(pod)).node
    rate = PODS / (time.perf_counter() - start)
    print(
        f"scheduler: {NODES} nodes, {PODS} pods of one template: {rate:,.0f} decisions/s "
        f"({rate / UPSTREAM_FLOOR:.1f}x upstream's CI floor, which includes the API)"
    )


if __name__ == "__main__":
    main()
