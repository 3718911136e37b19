# SPDX-License-Identifier: Apache-2.0
"""Bytes through port-forward and exec: python -m benchmarks.streams [kubelet] [kubectl].

`kubelet`: our listener alone in a process. Pod, runtime and client are other processes that only
move bytes (blocking sockets, prepared frames of 32 KB as kubectl and containerd send them), so the
figure is ours. The ratio is to what the same loop manages as a plain pipe from TLS to TCP.
`kubectl`: a real cluster, containerd and kubectl (those of $KUBECTLS, else the one on the path).
CPU is in seconds a GB: what a figure costs also where other work keeps the machine busy.
"""

import asyncio
import atexit
import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from multiprocessing.connection import Client, Listener
from pathlib import Path
from typing import Any

from benchmarks.figures import cpu_seconds, say
from benchmarks.startup import command
from pybernetes.base import tls
from pybernetes.base.env import Env
from pybernetes.cri.containerd import Containerd
from pybernetes.cri.types import Streams
from pybernetes.kubelet.server.handler import KubeletServer
from pybernetes.machine.detect import detect
from pybernetes.wire.joint import join
from pybernetes.wire.server import serve
from pybernetes.wire.spdy.frames import FIN, SYN_STREAM, HeaderCodec, control, data_frame
from pybernetes.wire.stream import connect
from pybernetes.wire.types import Reply, Request, Stream, UpgradeResponse

TOTAL = int(os.environ.get("MEGABYTES", "400")) * 1_000_000
PIECE = 32 * 1024
NULLS = bytes(PIECE)
STATUS = b'{"metadata":{},"status":"Success"}'
POD = {
    "metadata": {"name": "p", "namespace": "d", "uid": "u"},
    "spec": {"containers": [{"name": "c"}]},
}


# The pod and its runtime: a process that pours and drains.


def pour(send: Callable[[bytes], object], piece: bytes) -> None:
    for _ in range(TOTAL // PIECE):
        send(piece)


def drain(sock: socket.socket, least: int = 1 << 60) -> int:
    """Read to the end, or until so many bytes have come."""
    buffer, got = bytearray(1 << 20), 0
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while got < least and (count := sock.recv_into(buffer)):
            got += count
    return got


def source(sock: socket.socket) -> None:
    pour(sock.sendall, NULLS)
    sock.shutdown(socket.SHUT_WR)
    drain(sock)


def sink(sock: socket.socket) -> None:
    sock.sendall(b"%d\n" % drain(sock, TOTAL // PIECE * PIECE))


def runtime(sock: socket.socket) -> None:
    """Plays containerd: stdout in pieces with a write for each part of a frame; or swallows stdin."""
    reader = sock.makefile("rb")
    outwards = b"out" in reader.readline()
    while reader.readline().strip():
        pass
    sock.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
    )
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    error, stdout = 1, 3 if outwards else 5
    if outwards:
        head = data_frame(stdout, NULLS)[:8]
        for _ in range(TOTAL // PIECE):
            sock.sendall(head[:4])
            sock.sendall(head[4:])
            sock.sendall(NULLS)
    else:
        drain(sock, TOTAL // PIECE * PIECE)
    sock.sendall(data_frame(stdout, b"", FIN) + data_frame(error, STATUS, FIN))
    drain(sock)


def listen(work: Callable[[socket.socket], None]) -> int:
    """A port on which a forked process does `work` for each connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    pid = os.fork()
    if pid:
        atexit.register(os.kill, pid, signal.SIGKILL)
    else:
        while True:
            sock, _ = listener.accept()
            with sock, contextlib.suppress(OSError):
                work(sock)
    listener.close()
    return port


# The kubelet: its listener in front of that pod.


class Node:
    node_name = "n"

    def __init__(self, runtime: int) -> None:
        self._runtime = runtime

    def pod(self, namespace: str, name: str) -> Any:
        return POD

    async def network_namespace(self, pod: Any) -> str:
        return ""

    async def exec(self, pod: Any, container: str, words: list[str], streams: Any) -> str:
        return f"http://127.0.0.1:{self._runtime}/{words[0]}"


async def kubelet(ports: dict[str, int], tell: Any) -> None:
    env = Env()

    async def allow(request: Request, names: object) -> None: ...

    server = KubeletServer(env, Node(ports["runtime"]), allow)  # type: ignore[arg-type]

    async def handler(request: Request) -> Reply:
        if request.path != "/pipe":
            return await server.handler(request)

        async def run(stream: Stream) -> None:
            sock = socket.socket()
            sock.setblocking(False)
            await join(stream, await connect(sock, ("127.0.0.1", ports[request.query])))

        return UpgradeResponse(run, (("Upgrade", "x"),))

    ca = tls.new_ca("bench", env.clock)
    pair = tls.issue(ca, tls.Subject("localhost", ips=("127.0.0.1",)), env.clock)
    listening = await serve(env, handler, ssl_context=tls.server_context(pair))
    tell.send(listening.port)
    await asyncio.Event().wait()


# The client: prepared frames over a blocking TLS socket.


def upgraded(port: int, path: str, *headers: str) -> socket.socket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    sock = context.wrap_socket(socket.create_connection(("127.0.0.1", port)))
    method = "GET" if "websocket" in "".join(headers) or path.startswith("/pipe") else "POST"
    lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: Upgrade", *headers, "", ""]
    sock.sendall("\r\n".join(lines).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += sock.recv(1)
    assert b" 101 " in answer, answer
    return sock


def plain(port: int, way: str) -> tuple[socket.socket, Callable[[bytes], bytes]]:
    return upgraded(port, f"/pipe?{way}", "Upgrade: x"), lambda data: data


def forward_streams(ports: dict[str, int], way: str) -> list[bytes]:
    """Opening both streams of a connection: the second has id 3."""
    codec = HeaderCodec()
    opened = []
    for number, kind in ((1, "error"), (3, "data")):
        headers = {"port": str(ports[way]), "requestid": "0", "streamtype": kind}
        head = number.to_bytes(4, "big") + bytes(6)
        opened.append(control(SYN_STREAM, head + codec.encode(headers), FIN * (number == 1)))
    return opened


def spdy(port: int, way: str, ports: dict[str, int]) -> Any:
    sock = upgraded(
        port,
        "/portForward/d/p",
        "Upgrade: SPDY/3.1",
        "X-Stream-Protocol-Version: portforward.k8s.io",
    )
    sock.sendall(b"".join(forward_streams(ports, way)))
    return sock, lambda data: data_frame(3, data)


def masked(payload: bytes, prefix: bytes = b"") -> bytes:
    """A client's WebSocket message (the mask is 0: the server has the same work with it)."""
    size = len(prefix + payload)
    small = bytes((0x82, 0x80 | size)) if size < 126 else b"\x82\xff" + size.to_bytes(8, "big")
    return small + bytes(4) + prefix + payload


def websocket(port: int, path: str, protocol: str) -> socket.socket:
    key = base64.b64encode(bytes(16)).decode()
    names = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}")
    return upgraded(port, path, *names, f"Sec-WebSocket-Protocol: {protocol}")


def tunnel(port: int, way: str, ports: dict[str, int]) -> Any:
    """As kubectl does it: each part of a SPDY frame is a message."""
    sock = websocket(port, "/portForward/d/p", "SPDY/3.1+portforward.k8s.io")
    for opening in forward_streams(ports, way):
        sock.sendall(masked(opening))

    def frame(data: bytes) -> bytes:
        whole = data_frame(3, data)
        return masked(whole[:4]) + masked(whole[4:8]) + masked(whole[8:])

    return sock, frame


def channels(port: int, way: str, ports: dict[str, int]) -> Any:
    flags = "command=out&output=1" if way == "source" else "command=in&output=1&input=1"
    sock = websocket(port, f"/exec/d/p/c?{flags}", "v5.channel.k8s.io")
    return sock, lambda data: masked(data, b"\0")


def move(way: str, sock: socket.socket, frame: Callable[[bytes], bytes]) -> None:
    if way == "source":
        assert drain(sock, TOTAL // PIECE * PIECE) >= TOTAL // PIECE * PIECE
    else:
        pour(sock.sendall, frame(NULLS))
        sock.recv(1)  # the other end has everything
    sock.close()


def timed(what: str, pid: int, work: Callable[[], object], whose: str = "our") -> float:
    before, begun = cpu_seconds(pid), time.perf_counter()
    work()
    rate = TOTAL / 1e6 / (time.perf_counter() - begun)
    cost = (cpu_seconds(pid) - before) / TOTAL * 1e9
    say(what, f"{rate:6.0f} MB/s   {whose} CPU {cost:5.2f} s/GB")
    return cost


def kubelet_alone() -> None:
    ports = {"source": listen(source), "sink": listen(sink), "runtime": listen(runtime)}
    with tempfile.TemporaryDirectory() as folder, Listener(f"{folder}/s") as listener:
        pid = os.fork()
        if pid == 0:
            import uvloop

            uvloop.run(kubelet(ports, Client(f"{folder}/s")))
        port: int = listener.accept().recv()
        ways = {
            "plain TLS to TCP": lambda way: plain(port, way),
            "port-forward, SPDY": lambda way: spdy(port, way, ports),
            "port-forward, WebSocket tunnel": lambda way: tunnel(port, way, ports),
            "exec, WebSocket channels": lambda way: channels(port, way, ports),
        }
        for way, arrow in (("source", "from"), ("sink", "to")):
            base = 0.0
            for name, begin in ways.items():
                label = f"{name}, {arrow} the pod"
                cost = timed(label, pid, lambda b=begin, w=way: move(w, *b(w)))  # type: ignore[misc]
                base = base or cost
                say("", f"{base / cost * 100:6.0f} % of the plain pipe, by CPU")
    os.kill(pid, 9)


# A real cluster and kubectl.

COMMAND = f"""nc -ll -p 9000 -e head -c {TOTAL} /dev/zero & nc -ll -p 9001 -e wc -c &
until netstat -ltn | grep -q 9001; do sleep 0.1; done; touch /tmp/ready; exec sleep 10000"""
CONTAINER = {
    "name": "c",
    "image": "busybox:latest",
    "imagePullPolicy": "IfNotPresent",
    "command": ["sh", "-c", COMMAND],
    "readinessProbe": {"exec": {"command": ["ls", "/tmp/ready"]}, "periodSeconds": 1},
}
MANIFEST = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p"},
    "spec": {"terminationGracePeriodSeconds": 0, "containers": [CONTAINER]},
}


@contextlib.contextmanager
def forwarded(kubectl: list[str], port: int) -> Iterator[socket.socket]:
    with subprocess.Popen(
        [*kubectl, "port-forward", "p", f":{port}"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        near = int(process.stdout.readline().split()[2].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", near)) as sock:
            yield sock
        process.kill()


def through_kubectl(kubectl: list[str], version: str, pid: int) -> None:
    with forwarded(kubectl, 9000) as sock:
        timed(f"kubectl {version} port-forward from", pid, lambda: drain(sock, TOTAL))
    with forwarded(kubectl, 9001) as sock:

        def there() -> None:
            pour(sock.sendall, NULLS)
            sock.shutdown(socket.SHUT_WR)
            assert int(sock.recv(100)) == TOTAL // PIECE * PIECE

        timed(f"kubectl {version} port-forward to", pid, there)
    out = [*kubectl, "exec", "p", "--", "head", "-c", str(TOTAL), "/dev/zero"]
    timed(
        f"kubectl {version} exec, output",
        pid,
        lambda: subprocess.run(out, stdout=subprocess.DEVNULL, check=True),
    )
    into = f"head -c {TOTAL} /dev/zero | {' '.join(kubectl)} exec -i p -- wc -c"
    timed(
        f"kubectl {version} exec, input",
        pid,
        lambda: subprocess.run(into, shell=True, stdout=subprocess.DEVNULL, check=True),
    )


async def exec_url(address: str) -> str:
    """Where containerd serves an exec that pours."""
    runtime = Containerd(address)
    found = next(item.id for item in await runtime.list_containers() if item.name == "c")
    url = await runtime.exec_url(
        found, ["head", "-c", str(TOTAL), "/dev/zero"], Streams(stderr=False)
    )
    await runtime.close()
    return url


def containerd_alone(folder: Path) -> None:
    """What containerd and its shim manage, were there nothing else: its output thrown away."""
    daemon = int((folder / "containerd.pid").read_text())
    url = urllib.parse.urlsplit(asyncio.run(exec_url(str(folder / "c.sock"))))
    sock = socket.create_connection((url.hostname, url.port))
    head = f"POST {url.path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
    sock.sendall(f"{head}X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n".encode())
    codec = HeaderCodec()
    for number, kind in ((1, "error"), (3, "stdout")):
        block = number.to_bytes(4, "big") + bytes(6) + codec.encode({"streamtype": kind})
        sock.sendall(control(SYN_STREAM, block))
    timed("containerd alone, exec, output", daemon, lambda: drain(sock, TOTAL), "containerd's")
    sock.close()


def whole_cluster() -> None:
    missing = detect()
    if missing:
        return say("kubectl: not measured", "; ".join(str(item) for item in missing))
    with tempfile.TemporaryDirectory(prefix="streams") as folder:
        where = ("--data-dir", str(Path(folder) / "c"))
        ranges = ("--cluster-cidr", "10.72.0.0/16", "--service-cidr", "10.73.0.0/16")
        command("up", "--node", "containerd", "--port", "0", "--no-kubeconfig", *ranges, *where)
        try:
            pid = int((Path(folder) / "c" / "pybernetes.pid").read_text())
            _measure(str(Path(folder) / "c" / "admin.kubeconfig"), pid)
        finally:
            command("delete", *where)
    return None


def _measure(config: str, pid: int) -> None:
    binaries = os.environ.get("KUBECTLS", shutil.which("kubectl") or "").split()
    first = [binaries[0], "--kubeconfig", config]
    while subprocess.run([*first, "get", "sa", "default"], capture_output=True).returncode:
        time.sleep(0.2)
    subprocess.run(
        [*first, "create", "-f", "-"], input=json.dumps(MANIFEST), text=True, check=True, stdout=2
    )
    subprocess.run([*first, "wait", "--for=condition=Ready", "pod/p"], check=True, stdout=2)
    containerd_alone(Path(config).parent / "node" / "containerd")
    for binary in binaries:
        told = subprocess.run([binary, "version", "--client"], capture_output=True, text=True)
        through_kubectl([binary, "--kubeconfig", config], told.stdout.split()[2], pid)


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["kubelet", "kubectl"]
    if "kubelet" in wanted:
        kubelet_alone()
    if "kubectl" in wanted:
        whole_cluster()
