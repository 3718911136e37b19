# SPDX-License-Identifier: Apache-2.0
"""What the private containerd is told: one frozen config, rendered as containerd's TOML (version 2)."""

import json
from dataclasses import dataclass
from pathlib import Path

from pybernetes.machine.paths import Paths

PAUSE_IMAGE = "registry.k8s.io/pause:3.10.2"
CNI_BIN_DIRS = (Path("/opt/cni/bin"), Path("/usr/lib/cni"), Path("/usr/libexec/cni"))


@dataclass(frozen=True, slots=True)
class Config:
    """`data` is the node's folder (absolute). `cni_bin` None: the first folder that exists."""

    data: Path
    sandbox_image: str = PAUSE_IMAGE
    cni_bin: Path | None = None
    cni_conf: Path | None = None
    start_timeout: float = 20.0

    @property
    def paths(self) -> Paths:
        return Paths(self.data)


def cni_bin_dir(config: Config) -> Path:
    if config.cni_bin is not None:
        return config.cni_bin
    return next((path for path in CNI_BIN_DIRS if (path / "loopback").exists()), CNI_BIN_DIRS[0])


def render(config: Config) -> str:
    """The TOML text. Strings are quoted as JSON, which TOML basic strings accept."""
    paths, quote = config.paths, json.dumps
    return f"""\
version = 2
root = {quote(str(paths.root))}
state = {quote(str(paths.state))}
oom_score = 0
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.internal.v1.tracing",
]

[grpc]
  address = {quote(str(paths.socket))}

[ttrpc]
  address = {quote(str(paths.socket) + ".ttrpc")}

[plugins."io.containerd.internal.v1.opt"]
  path = {quote(str(paths.root / "opt"))}

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = {quote(config.sandbox_image)}
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = {quote(str(cni_bin_dir(config)))}
  conf_dir = {quote(str(config.cni_conf or paths.cni_conf))}
  max_conf_num = 1

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  Root = {quote(str(paths.state / "runc"))}
  SystemdCgroup = false
"""
