# SPDX-License-Identifier: Apache-2.0
"""What the private containerd is told: a folder, rendered as containerd's TOML (version 2)."""

import json
from importlib import resources
from pathlib import Path
from string import Template
from typing import Final

PAUSE_IMAGE = "registry.k8s.io/pause:3.10.2"
SOCKET_LIMIT = 107  # bytes of a unix socket's path
CNI_BIN_DIRS = (Path("/opt/cni/bin"), Path("/usr/lib/cni"), Path("/usr/libexec/cni"))


class Config:
    """Where a node has its files: all below `data`, its own folder (absolute)."""

    def __init__(self, data: Path) -> None:
        folder = data / "containerd"
        self.data: Final = data
        self.root: Final = folder / "root"
        self.state: Final = folder / "state"
        self.config: Final = folder / "config.toml"
        self.log: Final = folder / "containerd.log"
        self.pid: Final = folder / "containerd.pid"
        self.socket: Final = folder / "c.sock"
        self.certs: Final = folder / "certs.d"  # of each registry: which mirrors to ask first
        self.cni_conf: Final = data / "cni" / "net.d"

    def check(self) -> None:
        """Raises ValueError when the data directory's path is too long for unix sockets."""
        if len(str(self.socket)) > SOCKET_LIMIT:
            raise ValueError(
                f"data directory {self.data}: its path is too long for a unix socket"
                f" (at most {SOCKET_LIMIT - len('/containerd/c.sock')} bytes)"
            )


def render(config: Config) -> str:
    """containerd.toml with this node's paths, quoted as JSON, which TOML basic strings accept."""
    values = {
        "root": config.root,
        "state": config.state,
        "socket": config.socket,
        "ttrpc": f"{config.socket}.ttrpc",
        "opt": config.root / "opt",
        "pause": PAUSE_IMAGE,
        "cni_bin": next(
            (one for one in CNI_BIN_DIRS if (one / "loopback").exists()), CNI_BIN_DIRS[0]
        ),
        "cni_conf": config.cni_conf,
        "certs": config.certs,
        "runc": config.state / "runc",
    }
    text = Template(resources.files("pybernetes.machine").joinpath("containerd.toml").read_text())
    return text.substitute({name: json.dumps(str(value)) for name, value in values.items()})
