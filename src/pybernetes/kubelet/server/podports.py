# SPDX-License-Identifier: Apache-2.0
"""Connections into a pod: its loopback's ports, whatever address they are bound to.

The kubelet dials from inside the pod's network namespace itself. The runtime's streaming server
would do the same, but worse: containerd 1.6 gives up one second after either half of a connection
ended (a client that half-closes lost most of a long answer), and its hop cost as much CPU as ours.
The namespace is in the verbose status of every sandbox, of containerd and CRI-O alike.
"""

import asyncio
import socket

from pybernetes.base.env import Env
from pybernetes.linux.netns import tcp_socket
from pybernetes.wire.client import dial_error
from pybernetes.wire.stream import connect
from pybernetes.wire.types import Stream

_TIMEOUT = 30.0
_LOOPBACKS = (("IPv4", socket.AF_INET, "127.0.0.1"), ("IPv6", socket.AF_INET6, "[::1]"))


class PodPorts:
    """The ports of the pod called `pod`, whose network namespace is the file `namespace`.

    "" is the node's own namespace (hostNetwork).
    """

    def __init__(self, env: Env, pod: str, namespace: str) -> None:
        self.pod = pod
        self._env = env
        self._namespace = namespace

    async def dial(self, port: int) -> Stream:
        """A connection to localhost:`port`. Raises ConnectionError in upstream's words."""
        refusals = []
        for name, family, host in _LOOPBACKS:
            try:
                async with asyncio.timeout(_TIMEOUT):
                    return await connect(await self._socket(family), (host.strip("[]"), port))
            except OSError as error:
                refusals.append(f"{name}: dial tcp {host}:{port}: {dial_error(error)}")
        where = f'inside namespace "{self._namespace}"' if self._namespace else "on the node"
        raise ConnectionError(
            f"failed to connect to localhost:{port} {where}, {' '.join(refusals)}"
        )

    async def _socket(self, family: socket.AddressFamily) -> socket.socket:
        if self._namespace:
            return await self._env.offload.run(tcp_socket, self._namespace, family)
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        return sock
