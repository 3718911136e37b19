# SPDX-License-Identifier: Apache-2.0
"""What the kubelet's listener asks of the node behind it. No implementation here.

The listener speaks HTTP and every streaming protocol; `NodeApi` finds pods and containers and says
where their bytes are: a URL of the runtime's streaming server, or a function that moves them.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pybernetes.apimachinery.types import Object
from pybernetes.cri.types import Streams
from pybernetes.wire.types import Request


@dataclass(frozen=True, slots=True)
class LogOptions:
    """PodLogOptions as the listener decoded and checked it. None: not asked for."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    since_time: str = ""  # RFC 3339
    since_seconds: int | None = None
    tail_lines: int | None = None
    limit_bytes: int | None = None
    stream: str = "All"  # All, Stdout, Stderr


class NodeApi(Protocol):
    """The node behind the listener. Every method raises ApiError (its code and message are shown).

    `pod` is the Pod object found by `pod()`; the listener has checked that `container` is in it.
    """

    @property
    def node_name(self) -> str: ...

    def pods(self) -> list[Object]:
        """The pods bound to this node, with their status."""

    def pod(self, namespace: str, name: str) -> Object | None: ...

    async def running_pods(self) -> list[Object]:
        """What the runtime runs, as pods (upstream's /runningpods/)."""

    def logs(self, pod: Object, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        """The log as the client is to see it. An ApiError before the first bytes is the answer."""

    async def run(self, pod: Object, container: str, command: Sequence[str]) -> bytes:
        """Run a command without input; stdout and stderr together (upstream's /run)."""

    async def exec(
        self, pod: Object, container: str, command: Sequence[str], streams: Streams
    ) -> str: ...

    async def attach(self, pod: Object, container: str, streams: Streams) -> str: ...

    async def port_forward(self, pod: Object, ports: Sequence[int]) -> str: ...

    def healthy(self) -> str:
        """ "" while the sync loop turns, else what is wrong (the syncloop check of /healthz)."""

    async def stats_summary(self) -> Object:
        """The Summary of /stats/summary. Raises ApiError 501 where there are no numbers."""

    async def resource_metrics(self) -> bytes:
        """The text of /metrics/resource. Raises ApiError 501 where there are no numbers."""


Authorize = Callable[[Request, Sequence[str]], Awaitable[None]]
"""Whether the caller may use one of these subresources of this node (upstream's names: proxy, stats,
metrics, log, pods, healthz, configz; any of them is enough). Raises ApiError 401 or 403."""
