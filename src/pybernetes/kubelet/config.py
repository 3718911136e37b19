# SPDX-License-Identifier: Apache-2.0
"""The kubelet's settings, frozen; names and defaults are upstream's where upstream has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pybernetes.apimachinery.types import Object

VERSION = "v1.37.1"


@dataclass(frozen=True, slots=True)
class Config:
    """`data` is the node's own folder: pods' volumes and container logs live below it.

    `capacity` overrides what is measured (hollow nodes measure nothing). `reserved` is taken off
    allocatable. `taints` and `labels` are set when the node registers.
    """

    node_name: str
    data: Path = Path("/var/lib/kubelet")
    hostname: str = ""  # "": node_name
    node_ips: Sequence[str] = ("127.0.0.1",)
    port: int = 10250
    cluster_dns: Sequence[str] = ()
    cluster_domain: str = "cluster.local"
    cni_conf_dir: Path | None = None
    resolv_conf: Path = Path("/etc/resolv.conf")
    cgroup_root: str = "/pybernetes"
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Object] = ()
    capacity: Mapping[str, str] = field(default_factory=dict)
    reserved: Mapping[str, str] = field(default_factory=dict)
    provider_id: str = ""
    max_pods: int = 110
    register_node: bool = True
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
    def host(self) -> str:
        return self.hostname or self.node_name

    @property
    def pods_dir(self) -> Path:
        return self.data / "pods"

    @property
    def pod_logs_dir(self) -> Path:
        return self.data / "log" / "pods"

    @property
    def container_logs_dir(self) -> Path:
        return self.data / "log" / "containers"
