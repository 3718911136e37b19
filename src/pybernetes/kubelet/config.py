# SPDX-License-Identifier: Apache-2.0
"""The kubelet's settings, frozen; names and defaults are upstream's where upstream has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pybernetes.apimachinery.types import Object

VERSION = "v1.37.1"
EVICTION_HARD = {
    "memory.available": "100Mi",
    "nodefs.available": "10%",
    "nodefs.inodesFree": "5%",
    "imagefs.available": "15%",
    "imagefs.inodesFree": "5%",
}


@dataclass(frozen=True, slots=True)
class Config:
    """`data` is the node's own folder: pods' volumes and container logs live below it.

    `capacity` overrides what is measured (hollow nodes measure nothing). `cgroup_root` holds the
    pods' cgroups (kubepods below it) and no process; `node_cgroup` is the one whose usage is the
    node's, "" for the whole machine. Amounts are quantities; eviction thresholds may be percentages.
    """

    node_name: str
    data: Path = Path("/var/lib/kubelet")
    node_ips: Sequence[str] = ("127.0.0.1",)
    node_labels: Mapping[str, str] = field(default_factory=dict)
    register_with_taints: Sequence[Object] = ()
    port: int = 10250
    cluster_dns: Sequence[str] = ()
    cluster_domain: str = "cluster.local"
    cni_conf_dir: Path | None = None
    resolv_conf: Path = Path("/etc/resolv.conf")
    cgroup_root: str = "/pybernetes"
    node_cgroup: str = ""
    capacity: Mapping[str, str] = field(default_factory=dict)
    max_pods: int = 110
    eviction_hard: Mapping[str, str] = field(default_factory=lambda: EVICTION_HARD)
    eviction_pressure_transition_period: float = 300.0
    eviction_interval: float = 10.0  # upstream's evictionMonitoringPeriod
    static_pod_path: Path | None = None
    file_check_frequency: float = 1.0  # upstream: 20 s beside inotify
    status_interval: float = 10.0  # nodeStatusUpdateFrequency
    report_interval: float = 300.0  # nodeStatusReportFrequency
    lease_seconds: int = 40  # nodeLeaseDurationSeconds; renewed every quarter of it
    relist_interval: float = 1.0
    volume_interval: float = 10.0  # how often mounted objects are looked at again
    gc_interval: float = 60.0
    backoff_initial: float = 10.0  # CrashLoopBackOff and ImagePullBackOff
    backoff_maximum: float = 300.0
    container_log_max_size: int = 10 << 20
    container_log_max_files: int = 5
    keep_dead_containers: int = 1  # per container, for logs --previous

    @property
    def pods_dir(self) -> Path:
        return self.data / "pods"

    @property
    def logs_dir(self) -> Path:
        return self.data / "log"

    @property
    def pod_logs_dir(self) -> Path:
        return self.logs_dir / "pods"

    @property
    def container_logs_dir(self) -> Path:
        return self.logs_dir / "containers"
