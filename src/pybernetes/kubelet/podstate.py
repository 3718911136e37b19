# SPDX-License-Identifier: Apache-2.0
"""PodState: what the runtime has of one pod, newest first. Pure values."""

from dataclasses import dataclass

from pybernetes.cri.types import Container, Sandbox


@dataclass(frozen=True, slots=True)
class PodState:
    """The sandboxes (statuses, with addresses) and containers (statuses) of a pod."""

    uid: str
    name: str = ""
    namespace: str = ""
    sandboxes: tuple[Sandbox, ...] = ()
    containers: tuple[Container, ...] = ()

    @property
    def sandbox(self) -> Sandbox | None:
        """The newest sandbox if it is ready."""
        newest = self.sandboxes[0] if self.sandboxes else None
        return newest if newest is not None and newest.ready else None

    @property
    def ips(self) -> tuple[str, ...]:
        return self.sandbox.ips if self.sandbox else ()

    def latest(self, name: str) -> Container | None:
        """The newest instance of a container, in whatever sandbox."""
        return next((item for item in self.containers if item.name == name), None)

    def active(self, name: str) -> Container | None:
        """The newest instance of a container in the ready sandbox."""
        sandbox = self.sandbox
        if sandbox is None:
            return None
        return next(
            (c for c in self.containers if c.name == name and c.sandbox_id == sandbox.id), None
        )

    def previous(self, name: str) -> Container | None:
        """The instance before the newest."""
        instances = [item for item in self.containers if item.name == name]
        return instances[1] if len(instances) > 1 else None

    @property
    def running(self) -> list[Container]:
        return [item for item in self.containers if item.state in ("running", "unknown")]
