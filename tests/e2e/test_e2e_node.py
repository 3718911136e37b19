# SPDX-License-Identifier: Apache-2.0
"""What a real node promises: streams, life cycles, every way to a service, surviving our own death.

The tests of this file share a cluster and the pods of node.yaml; the last one kills the cluster.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from commandline import RANGES, Cli, wait_until

pytestmark = [pytest.mark.kubectl, pytest.mark.node, pytest.mark.timeout(60)]
MANIFEST = str(Path(__file__).with_name("node.yaml"))
OUTSIDE, US = "198.51.100.2", "198.51.100.1"
READY = "--for=condition=Ready"


@pytest.fixture(scope="module")
def cli(real: Cli) -> Iterator[Cli]:
    wait_until(lambda: real.get("serviceaccounts")["items"], 20)
    real.kubectl("apply", "-f", MANIFEST)
    real.kubectl("wait", READY, "pod/web", "pod/shell", "pod/a", "pod/b", "--timeout=40s")
    yield real
    real.kubectl("delete", "-f", MANIFEST, "--ignore-not-found", "--timeout=60s")


def ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=True)


@pytest.fixture
def outside() -> Iterator[str]:
    """A network namespace behind a veth pair: somebody outside of the cluster."""
    ip("netns", "add", "e2e-outside")
    try:
        ip("link", "add", "e2e0", "type", "veth", "peer", "name", "e2e1", "netns", "e2e-outside")
        ip("address", "add", f"{US}/24", "dev", "e2e0")
        ip("link", "set", "e2e0", "up")
        ip("-n", "e2e-outside", "address", "add", f"{OUTSIDE}/24", "dev", "e2e1")
        ip("-n", "e2e-outside", "link", "set", "e2e1", "up")
        yield "e2e-outside"
    finally:
        ip("netns", "delete", "e2e-outside")
        ip("link", "delete", "e2e0", check=False)


def inside(cli: Cli, *command: str, pod: str = "web", check: bool = True) -> str:
    return cli.kubectl("exec", pod, "--", "timeout", "5", *command, check=check).strip()


def fetch(cli: Cli, url: str) -> str:
    """What a pod gets from `url`."""
    return inside(cli, "wget", "-qO-", url)


def syn_retries(cli: Cli) -> int:
    """How often a pod had to begin a connection again."""
    lines = inside(cli, "cat", "/proc/net/netstat").splitlines()
    names, numbers = (line.split() for line in lines if line.startswith("TcpExt:"))
    return int(dict(zip(names, numbers, strict=True))["TCPSynRetrans"])


def state(cli: Cli, pod: str) -> dict[str, Any]:
    found: dict[str, Any] = cli.get("pod", pod)["status"]["containerStatuses"][0]
    return found


def test_logs_of_now_and_before(cli: Cli) -> None:
    wait_until(lambda: state(cli, "crash")["restartCount"] >= 1, 20)
    assert cli.kubectl("logs", "crash", "--previous") == "crashing\n"
    assert cli.kubectl("logs", "side", "-c", "sidecar", "--tail=1", "--since=10m") in (
        "up\n",
        "bye\n",
    )
    assert "is not valid" in cli.kubectl("logs", "side", "-c", "nope", check=False)


def test_a_terminal_by_exec_and_by_attach(cli: Cli) -> None:
    output, code = cli.terminal("exec", "-it", "web", "--", "sh", "-c", "tty; exit 3")
    assert ("/dev/pts/0" in output, code) == (True, 3)
    output, _ = cli.terminal("attach", "-it", "shell", typed="expr 40 + 2\nexit\n")
    assert "42" in output.split()


def test_port_forward_and_copies(cli: Cli, tmp_path: Path) -> None:
    with cli.kubectl_running("port-forward", "svc/web", ":80", line="Forwarding") as line:
        port = int(line.split()[2].rpartition(":")[2])
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = b"".join(iter(lambda: connection.recv(4096), b""))
                assert answer.endswith(b"web\n")
    data = os.urandom(1_000_000)
    (tmp_path / "there").write_bytes(data)
    cli.kubectl("cp", str(tmp_path / "there"), "web:/tmp/copy")
    cli.kubectl("cp", "web:/tmp/copy", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == data


def test_init_containers_and_sidecars(cli: Cli) -> None:
    cli.kubectl("wait", "pod/side", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=20s")
    logs = cli.kubectl("logs", "side", "--all-containers", "--prefix").splitlines()
    assert sorted(logs) == [  # kubectl shows the containers in any order
        "[pod/side/first] first", "[pod/side/main] main",
        "[pod/side/sidecar] bye", "[pod/side/sidecar] up",
    ]  # fmt: skip
    assert logs.index("[pod/side/sidecar] up") < logs.index("[pod/side/sidecar] bye")
    cli.kubectl("wait", "pod/badinit", "--for=jsonpath={.status.phase}=Failed", "--timeout=20s")
    assert "Init:Error" in cli.kubectl("get", "pod", "badinit")


def test_crash_loops_are_told(cli: Cli) -> None:
    wait_until(lambda: state(cli, "crash")["state"].get("waiting"), 20)
    status = state(cli, "crash")
    assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert status["lastState"]["terminated"]["message"] == "crashing\n"
    assert status["lastState"]["terminated"]["exitCode"] == 2
    assert "Back-off restarting failed container main" in cli.kubectl("describe", "pod", "crash")


def test_every_way_to_a_service(cli: Cli) -> None:
    gateway = cli.get("nodes")["items"][0]["status"]["addresses"][0]["address"]
    ways = ["web.default", "web-headless:8080", "web-alias", f"{gateway}:18080", f"{gateway}:31999"]
    assert {way: fetch(cli, f"http://{way}/") for way in ways} == dict.fromkeys(ways, "web")
    seen = {fetch(cli, "http://sticky/") for _ in range(6)}
    assert len(seen) == 1
    assert seen <= {"a", "b"}
    asked_again = syn_retries(cli)
    refused = inside(cli, "wget", "-qO-", "http://nobody/", check=False)
    assert "Connection refused" in refused
    assert syn_retries(cli) == asked_again, "the first answer refuses: nobody waits a second"


def test_udp_reaches_an_endpoint_written_by_hand(cli: Cli) -> None:
    gateway = cli.get("nodes")["items"][0]["status"]["addresses"][0]["address"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((gateway, 0))
        server.settimeout(5)
        port = server.getsockname()[1]
        text = f"""{{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
          "metadata": {{"name": "udp-x", "labels": {{"kubernetes.io/service-name": "udp"}}}},
          "addressType": "IPv4", "ports": [{{"port": {port}, "protocol": "UDP"}}],
          "endpoints": [{{"addresses": ["{gateway}"]}}]}}"""
        cli.kubectl("apply", "-f", "-", data=text)
        address = cli.get("svc", "udp")["spec"]["clusterIP"]
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(
                inside, cli, "timeout", "1", "nslookup", "hello.test", address, check=False
            )
            assert b"hello" in server.recv(512)
            asking.result()
    cli.kubectl("delete", "endpointslice", "udp-x")


def test_the_outside_sees_the_node_and_reaches_its_ports(cli: Cli, outside: str) -> None:
    script = (
        "import socket\n"
        f"s = socket.create_server(('{OUTSIDE}', 8000)); c, a = s.accept(); c.recv(999)\n"
        "c.sendall(b'HTTP/1.0 200 OK\\r\\n\\r\\n' + a[0].encode()); c.close()"
    )
    with subprocess.Popen(["ip", "netns", "exec", outside, "python3", "-c", script]) as server:
        try:
            url = f"http://{OUTSIDE}:8000/"
            wait_until(lambda: inside(cli, "wget", "-qO-", url, check=False) == US, 10)
        finally:
            server.kill()
    for port in (31999, 18080):
        fetch = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=5).read())"
        command = ["ip", "netns", "exec", outside, sys.executable, "-c", fetch]
        done = subprocess.run([*command, f"http://{US}:{port}/"], capture_output=True, check=True)
        assert done.stdout == b"b'web\\n'\n"


def test_a_grpc_probe_asks_the_health_service(cli: Cli) -> None:
    asked = threading.Event()

    def check(_request: bytes, _context: object) -> bytes:
        asked.set()
        return b"\x08\x01"  # status: SERVING

    handler = grpc.method_handlers_generic_handler(
        "grpc.health.v1.Health", {"Check": grpc.unary_unary_rpc_method_handler(check)}
    )
    server = grpc.server(ThreadPoolExecutor(1), [handler])
    port = server.add_insecure_port("0.0.0.0:0")
    server.start()
    spec = f"""{{"spec": {{"hostNetwork": true, "terminationGracePeriodSeconds": 0, "containers": [
      {{"name": "c", "image": "pybernetes/web:1", "command": ["sleep", "99"],
        "readinessProbe": {{"grpc": {{"port": {port}}}, "periodSeconds": 1}}}}]}}}}"""
    cli.kubectl("run", "probed", "--image=x", f"--overrides={spec}")
    cli.kubectl("wait", READY, "pod/probed", "--timeout=15s")
    assert asked.is_set()
    cli.kubectl("delete", "pod", "probed")
    server.stop(None)


def test_pre_stop_runs_before_the_end(cli: Cli) -> None:
    begun = time.monotonic()
    cli.kubectl("delete", "pod", "a")
    assert 2.0 < time.monotonic() - begun < 8.0  # a shell ignores SIGTERM: the grace period
    assert Path("/tmp/pybernetes-e2e-node/stopped").read_text() == "a\n"


def test_overlapping_ranges_are_one_clear_line(cli: Cli, tmp_path: Path) -> None:
    second = Cli(tmp_path / "data")
    failed = second.pybernetes("up", "--name", "second", "--port", "0", *RANGES, check=False)
    second.pybernetes("delete", check=False)
    assert failed.returncode == 1
    last = failed.stderr.splitlines()[-1]
    assert "overlaps with the route" in last
    assert "choose other ranges" in last


def test_containers_outlive_the_process(cli: Cli) -> None:
    def look() -> dict[str, tuple[str, int]]:
        names = ("web", "b", "shell")
        return {name: (s["containerID"], s["restartCount"]) for name in names
                if (s := state(cli, name))}  # fmt: skip

    before = look()
    pid = int((cli.data_dir / "pybernetes.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: cli.pybernetes("status", check=False).returncode == 3, 10)
    cli.pybernetes("up")
    cli.kubectl("wait", READY, "pod/web", "pod/b", "--timeout=20s")
    time.sleep(2.0)  # a wrong restart would come now
    assert look() == before
    assert fetch(cli, "http://web.default/") == "web"
