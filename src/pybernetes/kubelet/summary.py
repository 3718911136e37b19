# SPDX-License-Identifier: Apache-2.0
"""Numbers about node, pods and containers: /stats/summary and /metrics/resource."""

import datetime
from collections.abc import Sequence
from pathlib import Path

from pybernetes.apimachinery.timestamps import rfc3339
from pybernetes.apimachinery.types import Object
from pybernetes.cri.types import Container, Stats
from pybernetes.kubelet.node.machine import meminfo
from pybernetes.kubelet.pods.tools import Tools


def _time(nanoseconds: int) -> str:
    return rfc3339(datetime.datetime.fromtimestamp(nanoseconds / 1e9, datetime.UTC))


def node_cpu() -> int:
    """Nanoseconds all cores have worked since boot."""
    words = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    ticks = [int(word) for word in words]
    idle = ticks[3] + ticks[4]
    return (sum(ticks[:8]) - idle) * 10_000_000  # USER_HZ is 100 on Linux


def node_memory() -> int:
    found = meminfo()
    return found.get("MemTotal", 0) - found.get("MemAvailable", 0)


async def _node(tools: Tools) -> tuple[int, int]:
    """(CPU nanoseconds, bytes) of the node; of a hollow one what its containers use."""
    if tools.runtime.hollow:
        rows = await tools.runtime.stats()
        return sum(r.cpu_nanoseconds for r in rows), sum(r.memory_working_set for r in rows)
    return await tools.env.offload.run(node_cpu), await tools.env.offload.run(node_memory)


async def _containers(tools: Tools) -> list[tuple[Container, Stats, str, str]]:
    """(container, its stats, namespace, pod) of all that run."""
    stats = {item.container_id: item for item in await tools.runtime.stats()}
    return [
        (item, stats[item.id], state.namespace, state.name)
        for state in tools.pleg.states()
        for item in state.containers
        if item.state == "running" and item.id in stats
    ]


async def summary(tools: Tools) -> Object:
    """Upstream's Summary, without what we do not measure."""
    now = rfc3339(tools.env.clock.now())
    cpu, memory = await _node(tools)
    rows = await _containers(tools)
    pods = []
    for state in tools.pleg.states():
        mine = [row for row in rows if row[0] in state.containers]
        if mine:
            pods.append(_pod(state.uid, mine))
    return {
        "node": {
            "nodeName": tools.config.node_name,
            "startTime": now,
            "cpu": {"time": now, "usageCoreNanoSeconds": cpu},
            "memory": {"time": now, "workingSetBytes": memory, "usageBytes": memory},
        },
        "pods": pods,
    }


def _pod(uid: str, rows: Sequence[tuple[Container, Stats, str, str]]) -> Object:
    _, first, namespace, name = rows[0]
    stats = [row[1] for row in rows]
    time = _time(max(item.timestamp for item in stats) or first.timestamp)
    return {
        "podRef": {"name": name, "namespace": namespace, "uid": uid},
        "startTime": _time(min(row[0].started_at for row in rows)),
        "containers": [_container(row[0], row[1]) for row in rows],
        "cpu": {"time": time, "usageCoreNanoSeconds": sum(s.cpu_nanoseconds for s in stats)},
        "memory": {
            "time": time,
            "workingSetBytes": sum(s.memory_working_set for s in stats),
            "usageBytes": sum(s.memory_usage for s in stats),
        },
    }


def _container(container: Container, stats: Stats) -> Object:
    time = _time(stats.timestamp)
    return {
        "name": container.name,
        "startTime": _time(container.started_at),
        "cpu": {"time": time, "usageCoreNanoSeconds": stats.cpu_nanoseconds},
        "memory": {
            "time": time,
            "workingSetBytes": stats.memory_working_set,
            "usageBytes": stats.memory_usage,
            "rssBytes": stats.memory_rss,
            "pageFaults": stats.page_faults,
            "majorPageFaults": stats.major_page_faults,
        },
        "rootfs": {"time": time, "usedBytes": stats.disk_bytes, "inodesUsed": stats.disk_inodes},
    }


async def resource_metrics(tools: Tools) -> bytes:
    """Upstream's /metrics/resource in the text format."""
    cpu, memory = await _node(tools)
    lines = [
        "# TYPE node_cpu_usage_seconds_total counter",
        f"node_cpu_usage_seconds_total {cpu / 1e9}",
        "# TYPE node_memory_working_set_bytes gauge",
        f"node_memory_working_set_bytes {memory}",
    ]
    cpus, memories = [], []
    for container, stats, namespace, pod in await _containers(tools):
        labels = f'{{container="{container.name}",namespace="{namespace}",pod="{pod}"}}'
        stamp = stats.timestamp // 1_000_000
        used = stats.cpu_nanoseconds / 1e9
        cpus.append(f"container_cpu_usage_seconds_total{labels} {used} {stamp}")
        memories.append(
            f"container_memory_working_set_bytes{labels} {stats.memory_working_set} {stamp}"
        )
    lines += ["# TYPE container_cpu_usage_seconds_total counter", *cpus]
    lines += ["# TYPE container_memory_working_set_bytes gauge", *memories]
    lines += ["# TYPE scrape_error gauge", "scrape_error 0"]
    return ("\n".join(lines) + "\n").encode()
