# SPDX-License-Identifier: Apache-2.0
"""The kubelet's listener as a wire Handler: who may ask, which pod is meant, what is answered.

Everything is authorised first. Failures are plain text, as upstream's kubelet words them; the API
server passes them on. Not supported, and said so: /checkpoint, /debug.
"""

import urllib.parse
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import Object
from pybernetes.base.env import Env
from pybernetes.kubelet import naming
from pybernetes.kubelet.auth import subresources
from pybernetes.kubelet.nodeapi import NodeView
from pybernetes.kubelet.server.logs import log_options, stream_log
from pybernetes.kubelet.server.portforward import PodPorts, forward_ports, serve_forward
from pybernetes.kubelet.server.protocols import Refusal, plain, refused
from pybernetes.kubelet.server.remotecommand import (
    ATTACHING,
    EXECUTING,
    serve_session,
    stream_options,
)
from pybernetes.kubelet.summary import PAGES
from pybernetes.wire.types import Reply, Request, Response

_GET = frozenset({"GET", "HEAD"})
_BOTH = frozenset({"GET", "POST"})
_POST = frozenset({"POST"})


@dataclass(slots=True)
class _Call:
    """A request on its way: its path in parts, its query, and the pod once it is found."""

    request: Request
    parts: list[str]
    query: dict[str, list[str]] = field(default_factory=dict)


Authorize = Callable[[Request, Sequence[str]], Awaitable[None]]
"""Whether the caller may use one of these subresources of this node (upstream's names: proxy, stats,
metrics, log, pods, healthz, configz; any of them is enough). Raises ApiError 401 or 403."""
Route = Callable[[_Call], Awaitable[Reply]]


class KubeletServer:
    """`handler` serves :10250 in front of `api`; `authorize` decides who may ask."""

    def __init__(self, env: Env, api: NodeView, authorize: Authorize) -> None:
        self._env = env
        self._api = api
        self._authorize = authorize
        self._routes: dict[str, tuple[frozenset[str], Route]] = {
            "healthz": (_GET, self._healthz),
            "pods": (_GET, self._pods),
            "runningpods": (_GET, self._running_pods),
            "stats": (_GET, self._stats),
            "metrics": (_GET, self._metrics),
            "configz": (_GET, self._configz),
            "logs": (_GET, self._node_logs),
            "containerLogs": (_GET, self._logs),
            "exec": (_BOTH, self._exec),
            "attach": (_BOTH, self._attach),
            "portForward": (_BOTH, self._port_forward),
            "run": (_POST, self._run),
        }

    async def handler(self, request: Request) -> Reply:
        try:
            await self._authorize(request, subresources(request.path))
            return await self._answer(request)
        except ApiError as error:
            return refused(error, request)
        except Refusal as refusal:
            answer: Reply = refusal.args[0]
            return answer

    async def _answer(self, request: Request) -> Reply:
        parts = request.path.strip("/").split("/")
        if parts[0] in {"checkpoint", "debug", "allocatedPods"}:
            return plain(501, f"/{parts[0]} is not supported")
        if parts[0] not in self._routes:
            return plain(404, "404 page not found")
        methods, route = self._routes[parts[0]]
        if request.method not in methods:
            return plain(405, "Method Not Allowed", (("Allow", ", ".join(sorted(methods))),))
        query = urllib.parse.parse_qs(request.query, keep_blank_values=True)
        return await route(_Call(request, parts[1:], query))

    # What the node says of itself.

    async def _healthz(self, call: _Call) -> Reply:
        wrong = self._api.healthy() if call.parts in ([], ["syncloop"]) else ""
        if call.parts not in ([], ["ping"], ["log"], ["syncloop"]):
            return plain(404, "404 page not found")
        if wrong:
            return plain(
                500, f"[+]ping ok\n[+]log ok\n[-]syncloop failed: {wrong}\nhealthz check failed"
            )
        if "verbose" in call.query:
            return plain(200, "[+]ping ok\n[+]log ok\n[+]syncloop ok\nhealthz check passed")
        return Response(200, b"ok", "text/plain; charset=utf-8")

    async def _pods(self, call: _Call) -> Reply:
        return _pod_list(self._api.pods())

    async def _running_pods(self, call: _Call) -> Reply:
        return _pod_list(await self._api.running_pods())

    async def _stats(self, call: _Call) -> Reply:
        if call.parts != ["summary"]:
            return plain(404, "404 page not found")
        return Response(200, orjson.dumps(await self._api.stats_summary()))

    async def _metrics(self, call: _Call) -> Reply:
        if len(call.parts) == 1 and call.parts[0] in PAGES:
            return Response(200, await self._api.metrics(call.parts[0]), CONTENT_TYPE_LATEST)
        if call.parts == ["probes"]:
            registry = CollectorRegistry(auto_describe=False)
            registry.register(_Probes(self._env.metrics))
            return Response(200, generate_latest(registry), CONTENT_TYPE_LATEST)
        if call.parts not in ([], ["slis"]):
            return plain(404, "404 page not found")
        return Response(200, generate_latest(self._env.metrics), CONTENT_TYPE_LATEST)

    async def _configz(self, call: _Call) -> Reply:
        return Response(200, orjson.dumps(self._api.configz()))

    async def _node_logs(self, call: _Call) -> Reply:
        if "query" in call.query:
            return plain(501, "/logs/?query= is not supported; ask for a file")
        data = await self._env.offload.run(self._api.log_file, "/".join(call.parts))
        kind = "text/html" if data.startswith(b"<pre>") else "text/plain"
        return Response(200, data, f"{kind}; charset=utf-8")

    # What containers say and hear.

    async def _logs(self, call: _Call) -> Reply:
        if len(call.parts) != 3:
            return plain(404, "404 page not found")
        namespace, name, container = call.parts
        wanted = log_options(call.query, self._env.clock.now())
        pod = self._api.pod(namespace, name)
        if pod is None:
            return plain(404, f'pod "{name}" does not exist')
        if naming.find_container(pod, container) is None:
            return plain(404, f'container "{container}" not found in pod "{name}"')
        return await stream_log(self._api.logs(pod, container, wanted))

    def _find(self, call: _Call, with_container: bool) -> tuple[Object, str]:
        """The pod and the container of /NS/POD[/UID][/CONTAINER]. Raises ApiError."""
        parts = list(call.parts)
        container = parts.pop() if with_container and len(parts) > 2 else ""
        if len(parts) not in {2, 3} or (with_container and not container):
            raise ApiError(404, "NotFound", "404 page not found")
        pod = self._api.pod(parts[0], parts[1])
        if pod is None or (len(parts) == 3 and pod["metadata"].get("uid") != parts[2]):
            raise ApiError(404, "NotFound", "pod does not exist")
        if with_container and naming.find_container(pod, container) is None:
            raise ApiError(500, "InternalError", f'container not found ("{container}")')
        return pod, container

    async def _run(self, call: _Call) -> Reply:
        pod, container = self._find(call, with_container=True)
        command = call.query.get("cmd", [""])[0].split(" ")
        return Response(200, await self._api.run(pod, container, command), "text/plain")

    async def _exec(self, call: _Call) -> Reply:
        streams = stream_options(call.query)
        pod, container = self._find(call, with_container=True)
        command = call.query.get("command", [])
        url = await self._api.exec(pod, container, command, streams)
        return await serve_session(self._env, call.request, url, streams, action=EXECUTING)

    async def _attach(self, call: _Call) -> Reply:
        streams = stream_options(call.query)
        pod, container = self._find(call, with_container=True)
        url = await self._api.attach(pod, container, streams)
        return await serve_session(self._env, call.request, url, streams, action=ATTACHING)

    async def _port_forward(self, call: _Call) -> Reply:
        ports = forward_ports(call.query)
        pod, _ = self._find(call, with_container=False)
        name = f"{pod['metadata']['name']}_{pod['metadata'].get('namespace', '')}"
        inside = PodPorts(self._env, name, await self._api.network_namespace(pod))
        return serve_forward(call.request, inside, ports)


class _Probes(Collector):
    """The probes' share of a registry (/metrics/probes)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        return (metric for metric in self._registry.collect() if metric.name.startswith("prober_"))


def _pod_list(pods: list[Object]) -> Response:
    body = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods}
    return Response(200, orjson.dumps(body))
