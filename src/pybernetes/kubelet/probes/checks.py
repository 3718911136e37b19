# SPDX-License-Identifier: Apache-2.0
"""One probe's question: exec, httpGet, tcpSocket or grpc. Real sockets, upstream's words."""

import asyncio
import contextlib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urljoin, urlsplit

from pybernetes.apimachinery.types import Object
from pybernetes.cri.types import CriError, DeadlineExceeded, Runtime
from pybernetes.kubelet.containers.environment import expand

USER_AGENT = "kube-probe/1.37"
MAX_HEAD = 64 << 10
MAX_REDIRECTS = 10


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


async def check(runtime: Runtime, probe: Object, target: Target) -> Finding:
    """Ask once. Raises ProbeError."""
    timeout = float(probe.get("timeoutSeconds") or 1)
    if "exec" in probe:
        return await _exec(runtime, probe["exec"], target, timeout)
    if "httpGet" in probe:
        return await http(probe["httpGet"], target, timeout)
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
    except TimeoutError:
        return Finding("failure", f"dial tcp {_joined(*address)}: i/o timeout")
    except OSError as error:
        return Finding("failure", f"dial tcp {_joined(*address)}: {_dial_error(error)}")
    writer.close()
    return Finding("success")


def _dial_error(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connect: connection refused"
    return f"connect: {(error.strerror or str(error)).lower()}"


async def http(action: Object, target: Target, timeout: float, agent: str = USER_AGENT) -> Finding:
    """GET; 2xx succeeds, 3xx to another host is a warning. Raises ProbeError."""
    scheme = (action.get("scheme") or "HTTP").lower()
    host = action.get("host") or target.ip
    path = action.get("path") or "/"
    path = path if path.startswith("/") else f"/{path}"
    url = f"{scheme}://{_joined(host, port_number(action['port'], target.container))}{path}"
    headers = {"user-agent": agent, "accept": "*/*"}
    for item in action.get("httpHeaders", ()):
        headers[item["name"].lower()] = item.get("value", "")
    first = url
    for _ in range(MAX_REDIRECTS):
        try:
            async with asyncio.timeout(timeout):
                status, location = await _get(url, headers)
        except TimeoutError:
            text = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            return Finding("failure", f'Get "{first}": {text}')
        except (OSError, ValueError) as error:
            return Finding("failure", f'Get "{first}": {_get_error(url, error)}')
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


def _get_error(url: str, error: Exception) -> str:
    parts = urlsplit(url)
    if isinstance(error, OSError) and not isinstance(error, asyncio.IncompleteReadError):
        return f"dial tcp {parts.netloc}: {_dial_error(error)}"
    return str(error) or "EOF"


async def _get(url: str, headers: Mapping[str, str]) -> tuple[int, str]:
    """(status, Location) of one GET. Raises OSError, ValueError."""
    parts = urlsplit(url)
    tls = _unverified() if parts.scheme == "https" else None
    port = parts.port or (443 if tls else 80)
    reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=tls, limit=MAX_HEAD)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        lines = [f"GET {target} HTTP/1.1", "connection: close"]
        if "host" not in headers:
            lines.append(f"host: {parts.netloc}")
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await writer.drain()
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except asyncio.IncompleteReadError as error:
            raise ValueError("EOF") from error
        except asyncio.LimitOverrunError as error:
            raise ValueError("response head is too large") from error
        return _parsed(head)
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await writer.wait_closed()


def _parsed(head: Sequence[str]) -> tuple[int, str]:
    words = head[0].split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():
        raise ValueError(f"malformed HTTP response {head[0]!r}")
    location = ""
    for line in head[1:]:
        name, _, value = line.partition(":")
        if name.strip().lower() == "location":
            location = value.strip()
    return int(words[1]), location


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
    request = b"\x0a" + bytes([len(service)]) + service if service else b""
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
