# SPDX-License-Identifier: Apache-2.0
"""What the private containerd is told: one frozen config, rendered as containerd's TOML (version 2)."""

import json
from dataclasses import dataclass
from pathlib import Path

PAUSE_IMAGE = "registry.k8s.io/pause:3.10.2"
CNI_BIN_DIRS = (Path("/opt/cni/bin"), Path("/usr/lib/cni"), Path("/usr/libexec/cni"))


SOCKET_LIMIT = 107  # bytes of a unix socket's path


@dataclass(frozen=True, slots=True)
class Config:
    """`data` is the node's own folder (absolute); all else lies below it."""

    data: Path

    @property
    def root(self) -> Path:
        return self.data / "containerd" / "root"

    @property
    def state(self) -> Path:
        return self.data / "containerd" / "state"

    @property
    def config(self) -> Path:
        return self.data / "containerd" / "config.toml"

    @property
    def log(self) -> Path:
        return self.data / "containerd" / "containerd.log"

    @property
    def pid(self) -> Path:
        return self.data / "containerd" / "containerd.pid"

    @property
    def socket(self) -> Path:
        return self.data / "containerd" / "c.sock"

    @property
    def certs(self) -> Path:
        """Where containerd reads of each registry which mirrors to ask first."""
        return self.data / "containerd" / "certs.d"

    @property
    def cni_conf(self) -> Path:
        return self.data / "cni" / "net.d"

    def check(self) -> None:
        """Raises ValueError when the data directory's path is too long for unix sockets."""
        if len(str(self.socket)) > SOCKET_LIMIT:
            raise ValueError(
                f"data directory {self.data}: its path is too long for a unix socket"
                f" (at most {SOCKET_LIMIT - len('/containerd/c.sock')} bytes)"
            )


def cni_bin_dir() -> Path:
    return next((path for path in CNI_BIN_DIRS if (path / "loopback").exists()), CNI_BIN_DIRS[0])


def render(config: Config) -> str:
    """The TOML text. Strings are quoted as JSON, which TOML basic strings accept."""
    quote = json.dumps
    return f"""\
version = 2
root = {quote(str(config.root))}
state = {quote(str(config.state))}
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
  address = {quote(str(config.socket))}

[ttrpc]
  address = {quote(str(config.socket) + ".ttrpc")}

[plugins."io.containerd.internal.v1.opt"]
  path = {quote(str(config.root / "opt"))}

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = {quote(PAUSE_IMAGE)}
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = {quote(str(cni_bin_dir()))}
  conf_dir = {quote(str(config.cni_conf))}
  max_conf_num = 1

[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = {quote(str(config.certs))}

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  Root = {quote(str(config.state / "runc"))}
  SystemdCgroup = false
"""
