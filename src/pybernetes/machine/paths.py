# SPDX-License-Identifier: Apache-2.0
"""Where a node keeps things under its data directory."""

from dataclasses import dataclass
from pathlib import Path

SOCKET_LIMIT = 107  # bytes of a unix socket's path


@dataclass(frozen=True, slots=True)
class Paths:
    """The folders of one node's container runtime. `data` is the node's own folder."""

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
    def cni_conf(self) -> Path:
        return self.data / "cni" / "net.d"

    def check(self) -> None:
        """Raises ValueError when the data directory's path is too long for unix sockets."""
        if len(str(self.socket)) > SOCKET_LIMIT:
            raise ValueError(
                f"data directory {self.data}: its path is too long for a unix socket"
                f" (at most {SOCKET_LIMIT - len('/containerd/c.sock')} bytes)"
            )
