# SPDX-License-Identifier: Apache-2.0
"""Proxying: the subresources that another server answers.

The kubelet behind a pod (log, exec, attach, portforward) or a node's proxy is reached through the
NodeDialer; pods and services through their pod addresses. Bytes are passed only after the
backend's 101 and never translated. No redirect is followed. Certificates of https backends are not
verified, as upstream does not.
"""

import ssl
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial

from pybernetes.apimachinery.errors import ApiError, bad_request, method_not_allowed, not_found
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apiserver.authorization.union import require
from pybernetes.apiserver.context import Context, Core
from pybernetes.apiserver.proxying import podstreams
from pybernetes.apiserver.proxying.logs import serve_log
from pybernetes.apiserver.proxying.passing import (
    Send,
    ask,
    body_of,
    incoming_headers,
    outgoing_headers,
    pass_upgrade,
)
from pybernetes.apiserver.proxying.rewriting import rewrite_page, rewriter
from pybernetes.apiserver.proxying.targets import (
    ServiceTargets,
    Target,
    node_target,
    pod_target,
    split_name,
)
from pybernetes.apiserver.reading import NODES, PODS, Reader
from pybernetes.apiserver.requestinfo import verb_of
from pybernetes.apiserver.rest.registry import Verb
from pybernetes.apiserver.types import Authorizer, NodeDialer, RequestInfo
from pybernetes.base.env import Env
from pybernetes.wire.client import HttpPool, PoolConfig
from pybernetes.wire.types import ClientReply, Reply, Request, Response, StreamingResponse

_STREAM_METHODS = frozenset({"GET", "POST"})
_PROXY_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_ONE_REQUEST = PoolConfig(max_idle=0, connect_timeout=30.0)
_PAGE_BYTES = 64 * 1024 * 1024

_STREAMS = frozenset({"exec", "attach", "portforward"})
Route = tuple[frozenset[str], Callable[[Request, RequestInfo], Awaitable[Reply]]]
Table = Mapping[tuple[str, str, str], Mapping[str, Verb]]


class Proxying:
    """`await handle(request, info)` answers every (resource, subresource) of `routes`.

    `reader` reads the API server's own objects, without authorization.
    """

    def __init__(self, env: Env, reader: Reader, dialer: NodeDialer | None) -> None:
        self._env = env
        self._reader = reader
        self._dialer = dialer
        self._services = ServiceTargets(env.random.child("proxying"), self._get, reader.list)
        self.routes: dict[tuple[str, str], Route] = {  # of the core group: methods, and the code
            ("pods", "log"): (frozenset({"GET", "HEAD"}), self._log),
            ("pods", "exec"): (_STREAM_METHODS, self._exec),
            ("pods", "attach"): (_STREAM_METHODS, self._exec),
            ("pods", "portforward"): (_STREAM_METHODS, self._port_forward),
            ("pods", "proxy"): (_PROXY_METHODS, self._pod_proxy),
            ("services", "proxy"): (_PROXY_METHODS, self._service_proxy),
            ("nodes", "proxy"): (_PROXY_METHODS, self._node_proxy),
        }

    def _get(self, gvr: GVR, namespace: str, name: str) -> Object:
        obj = self._reader.get(gvr, namespace, name)
        if obj is None:
            raise not_found(gvr.resource, gvr.group, name)
        return obj

    async def handle(self, request: Request, info: RequestInfo) -> Reply:
        """Raises ApiError in upstream's words."""
        methods, answer = self.routes[info.resource, info.subresource]
        if request.method not in methods:
            raise method_not_allowed(info.resource, info.group, request.method.lower())
        return await answer(request, info)

    # Through the kubelet.

    async def _log(self, request: Request, info: RequestInfo) -> Reply:
        query = _query(request)
        options = podstreams.log_query(info.name, query)
        pod = self._get(PODS, info.namespace, info.name)
        container = podstreams.choose_container(pod, query.get("container", [""])[0])
        if not pod["spec"].get("nodeName"):
            return Response(204, b"", "")
        path = podstreams.stream_path(pod, "containerLogs", container)
        outgoing = Request("GET", path, path, options)
        return await serve_log(self._to_node(self._node(pod)), request, outgoing, info.name)

    async def _exec(self, request: Request, info: RequestInfo) -> Reply:
        query = _query(request)
        pod = self._get(PODS, info.namespace, info.name)
        container = podstreams.choose_container(pod, query.get("container", [""])[0])
        path = podstreams.stream_path(pod, info.subresource, container)
        return await self._upgrade(request, pod, path, podstreams.exec_query(query))

    async def _port_forward(self, request: Request, info: RequestInfo) -> Reply:
        pod = self._get(PODS, info.namespace, info.name)
        options = podstreams.forward_query(_query(request))
        path = podstreams.stream_path(pod, "portForward")
        return await self._upgrade(request, pod, path, options)

    async def _upgrade(self, request: Request, pod: Object, path: str, query: str) -> Reply:
        node = self._node(pod)
        if not request.upgrade:
            raise bad_request("Upgrade request required")
        headers = outgoing_headers(request)
        headers.pop("host", None)
        outgoing = Request(request.method, path, path, query, headers)
        return await pass_upgrade(self._to_node(node), outgoing)

    def _node(self, pod: Object) -> Object:
        name = pod["spec"].get("nodeName")
        if not name:
            raise bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")
        return self._get(NODES, "", name)

    def _to_node(self, node: Object) -> Send:
        if self._dialer is None:
            raise ApiError(501, "NotImplemented", "this API server has no way to reach nodes")
        return partial(self._dialer.send, node)

    # The proxies.

    async def _pod_proxy(self, request: Request, info: RequestInfo) -> Reply:
        target = pod_target(self._get, info.namespace, info.name)
        return await self._proxy(request, self._to_target(target), target.authority)

    async def _service_proxy(self, request: Request, info: RequestInfo) -> Reply:
        target = self._services.find(info.namespace, info.name)
        return await self._proxy(request, self._to_target(target), target.authority)

    async def _node_proxy(self, request: Request, info: RequestInfo) -> Reply:
        _, name, _ = split_name(info.name, "node")
        node = self._get(NODES, "", name)
        status = node.get("status") or {}
        kubelet = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port")
        known = {item["type"]: item["address"] for item in status.get("addresses") or ()}
        address = known.get("InternalIP") or known.get("ExternalIP") or ""
        target = node_target(info.name, address, kubelet or 10250)
        if target is None:
            return await self._proxy(request, self._to_node(node), f"{address}:{kubelet or 10250}")
        return await self._proxy(request, self._to_target(target), target.authority)

    def _to_target(self, target: Target) -> Send:
        async def send(request: Request) -> ClientReply:
            tls = self._unverified if target.scheme == "https" else None
            pool = HttpPool(self._env, target.host, target.port, tls, config=_ONE_REQUEST)
            return await pool.send(request, stream=True)

        return send

    @cached_property
    def _unverified(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    async def _proxy(self, request: Request, send: Send, backend: str) -> Reply:
        prefix, path = _split_proxy(request.raw_path)
        headers = outgoing_headers(request)
        outgoing = Request(
            request.method,
            path or "/",
            urllib.parse.unquote(path or "/"),
            request.query,
            headers,
            request.body,
        )
        if request.upgrade:
            return await pass_upgrade(send, outgoing)
        if not path and request.method in {"GET", "HEAD"}:
            query = f"?{request.query}" if request.query else ""
            return Response(301, b"", "", (("Location", f"{request.raw_path}/{query}"),))
        headers["x-forwarded-uri"] = prefix + path
        reply = await ask(send, outgoing)
        rewrite = rewriter(prefix, backend, request.headers.get("host", ""))
        return await _passed_back(reply, rewrite)


def connect_table(core: Core, reader: Reader, authorizer: Authorizer) -> Table:
    """(group, resource, subresource) -> verb -> code: authorised, then passed on."""
    proxying = Proxying(core.env, reader, core.dialer)

    async def connect(ctx: Context) -> Reply:
        info = ctx.info
        if info.subresource in _STREAMS and info.verb != "create":
            # a WebSocket is opened by GET, but what it does is create
            require(authorizer, ctx.user, replace(info, verb="create"))
        await core.feed.wait_fresh()
        return await proxying.handle(ctx.request, info)

    return {
        ("", *where): dict.fromkeys(map(verb_of, sorted(methods)), connect)
        for where, (methods, _) in proxying.routes.items()
    }


async def _passed_back(reply: Response | StreamingResponse, rewrite: Callable[[str], str]) -> Reply:
    """A backend's reply, its links made to go through the proxy."""
    headers = incoming_headers(reply.headers)
    names = {name.lower(): value for name, value in headers}
    if "location" in names:
        headers = tuple(
            (name, rewrite(value) if name.lower() == "location" else value)
            for name, value in headers
        )
    elif reply.content_type.partition(";")[0].strip() == "text/html":
        body = await body_of(reply, _PAGE_BYTES)
        page = rewrite_page(body, names.get("content-encoding", ""), rewrite)
        return Response(reply.status, page, reply.content_type, headers)
    if isinstance(reply, Response):
        return Response(reply.status, reply.body, reply.content_type, headers)
    return StreamingResponse(reply.chunks, reply.status, reply.content_type, headers)


def _query(request: Request) -> dict[str, list[str]]:
    return urllib.parse.parse_qs(request.query, keep_blank_values=True)


def _split_proxy(raw_path: str) -> tuple[str, str]:
    """(the path up to and with .../NAME/proxy, what follows it: "" or "/...")."""
    parts = raw_path.split("/")
    index = parts.index("proxy", parts.index("namespaces") + 4 if "namespaces" in parts[:4] else 5)
    rest = parts[index + 1 :]
    return "/".join(parts[: index + 1]), "/" + "/".join(rest) if rest else ""
