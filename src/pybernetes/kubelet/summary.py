# SPDX-License-Identifier: Apache-2.0
"""What node, pods and containers use, as /stats/summary and as metrics say it."""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pybernetes.apimachinery.timestamps import rfc3339
from pybernetes.apimachinery.types import Object
from pybernetes.kubelet import naming
from pybernetes.kubelet.stats import (
    Disk,
    Filesystem,
    Gatherer,
    NodeStats,
    PodStats,
    as_usage,
)
from pybernetes.linux import cgroups

Row = tuple[str, Object, float]  # metric, labels, value


def _time(nanoseconds: int) -> str:
    return rfc3339(datetime.datetime.fromtimestamp(nanoseconds / 1e9, datetime.UTC))


@dataclass(frozen=True, slots=True)
class Page:
    """Whose numbers: `start` is the kubelet's, `now` the time of the page."""

    gatherer: Gatherer
    start: str
    now: str


def summary(page: Page, node: NodeStats, pods: Sequence[PodStats]) -> Object:
    """Upstream's Summary (k8s.io/kubelet/pkg/apis/stats/v1alpha1)."""
    return {"node": _node(page, node), "pods": [_pod(page, item, node.fs) for item in pods]}


def _node(page: Page, node: NodeStats) -> Object:
    start, now = page.start, page.now
    images = _fs(node.image_fs, node.images, now)
    all_pods = _usage(page, "pods", node.pods)
    return {
        "nodeName": page.gatherer.config.node_name,
        "systemContainers": [{"name": "pods", "startTime": start, **all_pods}],
        "startTime": start,
        **_usage(page, "node", node.usage, node.memory),
        "network": _network(node.interfaces, now),
        "fs": _fs(node.fs, _of(node.fs), now),
        "runtime": {"imageFs": images, "containerFs": images},
        "rlimit": {"time": now, "maxpid": node.max_pids, "curproc": node.tasks},
    }


def _usage(page: Page, what: str, usage: cgroups.Usage, memory: int = 0) -> Object:
    now = page.now
    used: Object = {
        "time": now,
        "usageBytes": usage.memory,
        "workingSetBytes": usage.working_set,
        "rssBytes": usage.rss,
        "pageFaults": usage.page_faults,
        "majorPageFaults": usage.major_page_faults,
    }
    if memory:
        used["availableBytes"] = max(0, memory - usage.working_set)
    rate = page.gatherer.cpu_rate(what, usage.cpu)
    cpu = {"time": now, "usageNanoCores": rate, "usageCoreNanoSeconds": usage.cpu}
    return {"cpu": cpu, "memory": used}


def _of(fs: Filesystem) -> Disk:
    return Disk(fs.capacity - fs.available, fs.inodes - fs.inodes_free)


def _fs(fs: Filesystem, disk: Disk, now: str) -> Object:
    return {
        "time": now,
        "availableBytes": fs.available,
        "capacityBytes": fs.capacity,
        "usedBytes": disk.bytes,
        "inodesFree": fs.inodes_free,
        "inodes": fs.inodes,
        "inodesUsed": disk.inodes,
    }


def _network(interfaces: Sequence[Object], now: str) -> Object:
    named = [item for item in interfaces if item["name"] == "eth0"]
    first = next(iter([*named, *interfaces]), {})
    return {"time": now, **first, "interfaces": list(interfaces)}


def _pod(page: Page, item: PodStats, fs: Filesystem) -> Object:
    now = page.now
    namespace, name = naming.key(item.pod)
    uid, volumes = naming.uid(item.pod), sorted(item.volumes.items())
    result: Object = {
        "podRef": {"name": name, "namespace": namespace, "uid": uid},
        "startTime": _time(min((s.created_at for s in item.state.sandboxes), default=0)),
        "containers": [
            {
                "name": one.container.name,
                "startTime": _time(one.container.started_at),
                **_usage(page, one.container.id, as_usage(one.stats)),
                "rootfs": _fs(fs, Disk(one.stats.disk_bytes, one.stats.disk_inodes), now),
                "logs": _fs(fs, one.logs, now),
            }
            for one in item.containers
        ],
        **_usage(page, uid, item.cgroup),
        "volume": [{**_fs(fs, disk, now), "name": volume} for volume, disk in volumes],
        "ephemeral-storage": _fs(fs, item.ephemeral, now),
        "process_stats": {"process_count": item.cgroup.pids},
    }
    if item.interfaces:
        result["network"] = _network(item.interfaces, now)
    return result


def resource_rows(_: Gatherer, node: NodeStats, pods: Iterable[PodStats]) -> Iterable[Row]:
    """/metrics/resource."""
    yield "node_cpu_usage_seconds_total", {}, node.usage.cpu / 1e9
    yield "node_memory_working_set_bytes", {}, node.usage.working_set
    for item in pods:
        namespace, name = naming.key(item.pod)
        whose = {"namespace": namespace, "pod": name}
        yield "pod_cpu_usage_seconds_total", whose, item.cgroup.cpu / 1e9
        yield "pod_memory_working_set_bytes", whose, item.cgroup.working_set
        for one in item.containers:
            labels = {"container": one.container.name, **whose}
            yield "container_cpu_usage_seconds_total", labels, one.stats.cpu / 1e9
            yield "container_memory_working_set_bytes", labels, one.stats.working_set
            yield "container_start_time_seconds", labels, one.container.started_at / 1e9
    yield "resource_scrape_error", {}, 0


def cadvisor_rows(gatherer: Gatherer, node: NodeStats, pods: Iterable[PodStats]) -> Iterable[Row]:
    """/metrics/cadvisor, with cAdvisor's names and labels."""
    yield "machine_cpu_cores", {}, gatherer.machine.cpus
    yield "machine_memory_bytes", {}, node.memory
    nothing = dict.fromkeys(("container", "image", "name", "namespace", "pod"), "")
    yield from _of_cgroup({**nothing, "id": "/"}, node.usage)
    for item in pods:
        namespace, name = naming.key(item.pod)
        parent = naming.cgroup(gatherer.config, item.pod)
        whose = {**nothing, "id": parent, "namespace": namespace, "pod": name}
        yield from _of_cgroup(whose, item.cgroup)
        for net in item.interfaces:
            labels = {**whose, "interface": net["name"]}
            yield "container_network_receive_bytes_total", labels, net["rxBytes"]
            yield "container_network_receive_errors_total", labels, net["rxErrors"]
            yield "container_network_transmit_bytes_total", labels, net["txBytes"]
            yield "container_network_transmit_errors_total", labels, net["txErrors"]
        for one in item.containers:
            c = one.container
            labels = {
                **whose,
                "id": f"{parent}/{c.id}",
                "container": c.name,
                "name": c.id,
                "image": c.image,
            }
            yield from _of_cgroup(labels, as_usage(one.stats))
            yield "container_fs_usage_bytes", labels, one.stats.disk_bytes
            yield "container_start_time_seconds", labels, c.started_at / 1e9


def _of_cgroup(labels: Object, usage: cgroups.Usage) -> Iterable[Row]:
    yield "container_cpu_usage_seconds_total", labels, usage.cpu / 1e9
    yield "container_memory_usage_bytes", labels, usage.memory
    yield "container_memory_working_set_bytes", labels, usage.working_set
    yield "container_memory_rss", labels, usage.rss
    if usage.pids:
        yield "container_processes", labels, usage.pids


PAGES = {"resource": resource_rows, "cadvisor": cadvisor_rows}  # below /metrics


def exposition(rows: Iterable[Row]) -> bytes:
    """Rows in the Prometheus text format, one family after another."""
    families: dict[str, list[str]] = {}
    for name, labels, value in rows:
        listed = ",".join(f'{key}="{_quoted(text)}"' for key, text in labels.items())
        line = f"{name}{{{listed}}} {value}" if listed else f"{name} {value}"
        families.setdefault(name, []).append(line)
    lines = []
    for name, samples in families.items():
        kind = "counter" if name.endswith("_total") else "gauge"
        lines += [f"# TYPE {name} {kind}", *samples]
    return ("\n".join(lines) + "\n").encode()


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
