# SPDX-License-Identifier: Apache-2.0
"""The kubelet's settings, frozen; names and defaults are upstream's where upstream has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

VERSION = "v1.37.1"


@dataclass(frozen=True, slots=True)
class Config:
    """`data` is the node's own folder: pods' volumes and container logs live below it.

    `capacity` overrides what is measured (hollow nodes measure nothing).
    """

    node_name: str
    data: Path = Path("/var/lib/kubelet")
    node_ips: Sequence[str] = ("127.0.0.1",)
    port: int = 10250
    cluster_dns: Sequence[str] = ()
    cluster_domain: str = "cluster.local"
    cni_conf_dir: Path | None = None
    resolv_conf: Path = Path("/etc/resolv.conf")
    cgroup_root: str = "/pybernetes"
    capacity: Mapping[str, str] = field(default_factory=dict)
    max_pods: int = 110
    version: str = VERSION
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
    def pod_logs_dir(self) -> Path:
        return self.data / "log" / "pods"

    @property
    def container_logs_dir(self) -> Path:
        return self.data / "log" / "containers"
