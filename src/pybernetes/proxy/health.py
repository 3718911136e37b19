# SPDX-License-Identifier: Apache-2.0
"""What load balancers ask a node: /healthz of the proxy, and each service's healthCheckNodePort.

Source: pkg/proxy/healthcheck of k8s.io/kubernetes. A listener that cannot be opened is tried again.
"""

from collections.abc import Callable, Mapping

import orjson

from pybernetes.apimachinery.timestamps import rfc3339_micro
from pybernetes.apimachinery.types import Object
from pybernetes.base import logs
from pybernetes.base.env import Env
from pybernetes.base.metrics import counter, exposition
from pybernetes.proxy.config import ProxyConfig
from pybernetes.proxy.services import View
from pybernetes.wire.server import Server, serve
from pybernetes.wire.types import Handler, Request, Response

HEALTHY_SECONDS = 60.0  # how long a change may wait to be written
_LEAVING = "ToBeDeletedByClusterAutoscaler"
_NO_SNIFF = (("X-Content-Type-Options", "nosniff"),)
_log = logs.get("proxy.health")


class Health:
    """`queued` when a change came, `written` when the rules are right; `node` is this node."""

    def __init__(self, env: Env, config: ProxyConfig, node: Callable[[], Object | None]) -> None:
        self._env = env
        self._config = config
        self._node = node
        self._queued: float | None = None
        self._updated = env.clock.now()
        self.refused: set[int] = set()  # could not be opened; `listen` tries again
        self._listeners: dict[int, tuple[str, Server]] = {}
        self._services: Mapping[str, View] = {}
        self._totals = {
            path: counter(
                env,
                f"kubeproxy_proxy_{path}_total",
                f"Cumulative proxy {path} HTTP status",
                ("code",),
            )
            for path in ("healthz", "livez")
        }

    def queued(self) -> None:
        if self._queued is None:
            self._queued = self._env.clock.monotonic()

    def written(self) -> None:
        self._queued, self._updated = None, self._env.clock.now()

    @property
    def healthy(self) -> bool:
        late = self._queued is not None and self._env.clock.monotonic() - self._queued
        return late is False or late < HEALTHY_SECONDS

    async def listen(self, services: Mapping[str, View]) -> None:
        """Serve exactly these, by namespace/name, besides our own."""
        self._services = services
        wanted = {one.health_port: name for name, one in services.items()}
        if self._config.health_port:
            wanted[self._config.health_port] = ""
        for port in [one for one, (name, _) in self._listeners.items() if wanted.get(one) != name]:
            await self._listeners.pop(port)[1].close()
        for port, name in wanted.items():
            if port not in self._listeners:
                await self._open(port, name)

    async def close(self) -> None:
        for _, server in self._listeners.values():
            await server.close()
        self._listeners = {}

    async def _open(self, port: int, name: str) -> None:
        handler: Handler = (lambda _request: self._service(name)) if name else self._own
        try:
            server = await serve(self._env, handler, self._config.health_address, port)
        except OSError as error:
            if port not in self.refused:
                _log.warning("Failed to start healthcheck", service=name, port=port, error=error)
            self.refused.add(port)
            return
        self.refused.discard(port)
        self._listeners[port] = (name, server)

    def _service(self, name: str) -> Response:
        count = self._services.get(name, View()).local_ready
        namespace, _, own = name.partition("/")
        body = {
            "service": {"namespace": namespace, "name": own},
            "localEndpoints": count,
            "serviceProxyHealthy": self.healthy,
        }
        headers = (*_NO_SNIFF, ("X-Load-Balancing-Endpoint-Weight", str(count)))
        return _json(200 if count and self.healthy else 503, body, headers)

    def _own(self, request: Request) -> Response:
        path = request.path.removeprefix("/")
        if path == "metrics":
            kind, text = exposition(self._env)
            return Response(200, text, kind)
        if path not in self._totals:
            return Response(404, b"404 page not found\n", "text/plain; charset=utf-8")
        eligible = path == "livez" or _eligible(self._node())
        good = self.healthy and eligible
        now, updated = (rfc3339_micro(one) for one in (self._env.clock.now(), self._updated))
        body = {
            "lastUpdated": now if good else updated,
            "currentTime": now,
            **({"nodeEligible": eligible} if path == "healthz" else {}),
            "healthy": self.healthy,
            "status": {"IPv4": {"lastUpdated": updated, "healthy": self.healthy}},
        }
        self._totals[path].labels("200" if good else "503").inc()
        return _json(200 if good else 503, body, _NO_SNIFF)


def _eligible(node: Object | None) -> bool:
    """Whether traffic may still be sent to the node: it is there and not about to go."""
    if node is None or node["metadata"].get("deletionTimestamp"):
        return False
    return all(one.get("key") != _LEAVING for one in (node.get("spec") or {}).get("taints") or ())


def _json(status: int, body: Object, headers: tuple[tuple[str, str], ...]) -> Response:
    return Response(status, orjson.dumps(body), "application/json", headers)
