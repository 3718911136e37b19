# SPDX-License-Identifier: Apache-2.0
"""What the private containerd is told: one frozen config, rendered as containerd's TOML (version 2)."""

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

PAUSE_IMAGE = "registry.k8s.io/pause:3.10.2"
SOCKET_LIMIT = 107  # bytes of a unix socket's path
CNI_BIN_DIRS = (Path("/opt/cni/bin"), Path("/usr/lib/cni"), Path("/usr/libexec/cni"))


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
