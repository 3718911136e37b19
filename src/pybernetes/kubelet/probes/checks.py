# SPDX-License-Identifier: Apache-2.0
"""One probe's question: exec, httpGet, tcpSocket or grpc. Real sockets, upstream's words."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urljoin, urlsplit

from pybernetes.apimachinery.types import Object
from pybernetes.base.env import Env
from pybernetes.cri.types import CriError, DeadlineExceeded, Runtime
from pybernetes.kubelet.containers.environment import expand
from pybernetes.wire.client import HttpPool, PoolConfig, dial_error
from pybernetes.wire.exchange import BrokenReply
from pybernetes.wire.types import Request, Upgraded

USER_AGENT = "kube-probe/1.37"
MAX_REDIRECTS = 10
_PLAIN = "/%:;@!$&'()*+,=?~[]"  # what a URL may hold as it is


class ProbeError(Exception):
    """The probe could not be made; its result is thrown away."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe found."""

    result: Literal["success", "failure", "warning"]
    output: str = ""
    answered: bool = False  # there was an answer, of whatever kind


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to ask."""

    container: Object  # its spec
    container_id: str
    ip: str


async def check(env: Env, runtime: Runtime, probe: Object, target: Target) -> Finding:
    """Ask once. Raises ProbeError."""
    timeout = float(probe.get("timeoutSeconds") or 1)
    if "exec" in probe:
        return await _exec(runtime, probe["exec"], target, timeout)
    if "httpGet" in probe:
        return await http(env, probe["httpGet"], target, timeout)
    if "tcpSocket" in probe:
        return await _tcp(probe["tcpSocket"], target, timeout)
    if "grpc" in probe:
        return await _grpc(probe["grpc"], target, timeout)
    raise ProbeError("missing probe handler")


async def _exec(runtime: Runtime, action: Object, target: Target, timeout: float) -> Finding:
    env = {item["name"]: item.get("value", "") for item in target.container.get("env", ())}
    command = [expand(word, env) for word in action.get("command", ())]
    try:
        result = await runtime.exec_sync(target.container_id, command, timeout)
    except DeadlineExceeded:
        shown = " ".join(command)
        return Finding("failure", f'command timed out: "{shown}" timed out after {timeout:.0f}s')
    except CriError as error:
        raise ProbeError(str(error)) from error
    output = (result.stdout + result.stderr).decode(errors="replace")[:10240]
    return Finding("success" if result.exit_code == 0 else "failure", output)


def port_number(port: int | str, container: Object) -> int:
    """A port by number, or by the name of a container port. Raises ProbeError."""
    if isinstance(port, int):
        return port
    for item in container.get("ports", ()):
        if item.get("name") == port:
            return int(item["containerPort"])
    if port.isdigit():
        return int(port)
    raise ProbeError(f"couldn't find port: {port!r}")


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _tcp(action: Object, target: Target, timeout: float) -> Finding:
    host = action.get("host") or target.ip
    address = (host, port_number(action["port"], target.container))
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(*address)
    except OSError as error:
        return Finding("failure", f"dial tcp {_joined(*address)}: {dial_error(error)}")
    writer.close()
    return Finding("success")


async def http(
    env: Env, action: Object, target: Target, timeout: float, *, agent: str = USER_AGENT
) -> Finding:
    """GET; 2xx succeeds, 3xx to another host is a warning. Raises ProbeError."""
    scheme = (action.get("scheme") or "HTTP").lower()
    host = _joined(action.get("host") or target.ip, port_number(action["port"], target.container))
    first = url = f"{scheme}://{host}/{(action.get('path') or '/').removeprefix('/')}"
    headers = {"user-agent": agent, "accept": "*/*"}
    headers |= {one["name"].lower(): one.get("value", "") for one in action.get("httpHeaders", ())}
    for _ in range(MAX_REDIRECTS):
        try:
            status, location = await _get(env, url, headers, timeout)
        except TimeoutError:
            text = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            return Finding("failure", f'Get "{first}": {text}')
        except (ConnectionError, ValueError) as error:
            text = "EOF" if isinstance(error, BrokenReply) and error.nothing_came else str(error)
            return Finding("failure", f'Get "{first}": {text}')
        if 200 <= status < 300:
            return Finding("success")
        if not 300 <= status < 400 or not location:
            break
        url = urljoin(url, location)
        if urlsplit(url).hostname != urlsplit(first).hostname:
            return Finding("warning", "Probe terminated redirects, Response body: ")
    if 300 <= status < 400:
        return Finding("warning", "Probe terminated redirects, Response body: ")
    return Finding("failure", f"HTTP probe failed with statuscode: {status}", answered=True)


async def _get(env: Env, url: str, headers: Mapping[str, str], timeout: float) -> tuple[int, str]:
    """(status, Location), without the body. Raises ConnectionError, ReplyTimeout, ValueError."""
    parts = urlsplit(url)
    tls = _unverified() if parts.scheme == "https" else None
    config = PoolConfig(connect_timeout=timeout)
    pool = HttpPool(
        env, parts.hostname or "", parts.port or (443 if tls else 80), tls, config=config
    )
    path, query = quote(parts.path or "/", safe=_PLAIN), quote(parts.query, safe=_PLAIN)
    request = Request("GET", path, path, query, dict(headers))
    try:
        reply = await pool.send(request, stream=True, timeout=timeout)
    finally:
        await pool.close()
    if isinstance(reply, Upgraded):
        return 101, ""
    return reply.status, dict(reply.headers).get("location", "")


def _unverified() -> ssl.SSLContext:
    """Probes do not check certificates, as upstream's do not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


_STATUSES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


async def _grpc(action: Object, target: Target, timeout: float) -> Finding:
    """grpc.health.v1.Health/Check; its two messages are one field each, written by hand."""
    import grpc.aio

    service = (action.get("service") or "").encode()
    address = _joined(target.ip, int(action["port"]))
    size = len(service)  # a varint: of more than 127 bytes it takes two
    length = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
    request = b"\x0a" + length + service if service else b""
    options = [("grpc.primary_user_agent", USER_AGENT), ("grpc.enable_http_proxy", 0)]
    async with grpc.aio.insecure_channel(address, options) as channel:
        call = channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            answer: bytes = await call(request, timeout=timeout)
        except grpc.RpcError as error:
            return Finding("failure", _grpc_error(error, (address, timeout)))
    status = answer[1] if len(answer) >= 2 and answer[0] == 0x08 else 0
    if status == 1:
        return Finding("success", "service healthy")
    name = _STATUSES.get(status, str(status))
    return Finding("failure", f'service unhealthy (responded with "{name}")')


def _grpc_error(error: object, where: tuple[str, float]) -> str:
    import grpc

    code, details = error.code(), error.details()  # type: ignore[attr-defined]  # grpc is untyped
    address, timeout = where
    if code == grpc.StatusCode.UNIMPLEMENTED:
        return (
            "error: this server does not implement the grpc health protocol"
            f" (grpc.health.v1.Health): {details}"
        )
    if code == grpc.StatusCode.UNAVAILABLE:
        return f'timeout: failed to connect service "{address}" within {timeout:.0f}s: {details}'
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"timeout: health rpc did not complete within {timeout:.0f}s"
    return f"error: health rpc probe failed: {details}"
