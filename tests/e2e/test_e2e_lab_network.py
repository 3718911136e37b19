# SPDX-License-Identifier: Apache-2.0
"""Every way to a Service in a lab: from the host, from pods, from nodes; and what does not go."""

import subprocess
import urllib.request
from itertools import product

import pytest
from commandline import Cli, wait_until

pytestmark = [pytest.mark.kubectl, pytest.mark.node, pytest.mark.timeout(120)]
NODES = {"cp": "192.168.217.10"} | {f"w{n}": f"192.168.217.10{n}" for n in (1, 2, 3)}
PODS = ("on-w1", "on-w2", "on-w3")
GET = ("timeout", "5", "busybox", "wget", "-qO-")


def host(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        text: str = answer.read().decode()
    return text


def cluster_ip(lab: Cli, name: str) -> str:
    return str(lab.get("svc", name)["spec"]["clusterIP"])


def test_a_node_port_answers_everywhere(lab: Cli) -> None:
    """On every node's address: from the host, from a pod on each node, from each node."""
    for address in NODES.values():
        assert wait_until(lambda at=address: host(f"http://{at}:31080/"), 10).startswith("web-")
    for pod, address in product(PODS, NODES.values()):
        said = lab.kubectl("exec", pod, "--", *GET, f"http://{address}:31080/")
        assert said.startswith("web-"), (pod, address)
    loop = "; ".join(f"{' '.join(GET)} http://{address}:31080/" for address in NODES.values())
    for node in NODES:
        said = lab.on_node(node, "sh", "-c", loop).split()
        assert len(said) == len(NODES), (node, said)
        assert all(word.startswith("web-") for word in said), (node, said)


def test_all_pods_of_a_service_are_used(lab: Cli) -> None:
    names = {pod["metadata"]["name"] for pod in lab.get("pods", "-l", "app=web")["items"]}
    address = cluster_ip(lab, "web")
    seen: set[str] = set()
    wait_until(
        lambda: seen.add(host(f"http://{address}/").strip()) or seen == names, 20, "all pods"
    )


def test_a_cluster_ip_answers_on_the_host_on_nodes_and_in_pods_by_name(lab: Cli) -> None:
    assert host(f"http://{cluster_ip(lab, 'web')}/").startswith("web-")
    for node in NODES:
        assert lab.on_node(node, *GET, f"http://{cluster_ip(lab, 'web')}/").startswith("web-")
    for pod in PODS:
        for name in ("web", "web.default.svc.cluster.local"):
            assert lab.kubectl("exec", pod, "--", *GET, f"http://{name}/").startswith("web-")
        assert lab.kubectl("exec", pod, "--", "nslookup", "kubernetes.default.svc.cluster.local")


def test_pods_reach_pods_on_all_nodes_without_translation(lab: Cli) -> None:
    pods = {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in lab.get("pods")["items"]}
    web = {name: address for name, address in pods.items() if name.startswith("web-")}
    for pod, (name, address) in product(PODS, web.items()):
        assert lab.kubectl("exec", pod, "--", *GET, f"http://{address}:8080/").strip() == name
    for name, address in web.items():
        assert host(f"http://{address}:8080/").strip() == name
    name, address = next(iter(web.items()))
    seen = lab.kubectl("logs", name)  # httpd -v writes down who asks
    assert all(f"{pods[pod]}]:" in seen for pod in PODS), seen


def test_the_api_server_is_reached_from_pods_and_nodes(lab: Cli) -> None:
    for pod in PODS:
        assert lab.kubectl("exec", pod, "--", "nc", "-w", "3", "kubernetes.default", "443") == ""
    address = cluster_ip(lab, "kubernetes")
    for node in NODES:
        lab.on_node(node, "busybox", "nc", "-w", "3", address, "443")


def test_nothing_leaves_by_accident(lab: Cli) -> None:
    """A Service without endpoints and an address of no Service are rejected at once."""
    lab.kubectl("create", "service", "clusterip", "empty", "--tcp=80:80")
    for address in (cluster_ip(lab, "empty"), "10.65.99.99"):
        pod = lab.kubectl_process("exec", "on-w1", "--", *GET, f"http://{address}/")
        node = lab.pybernetes("node", "shell", "w2", "--", *GET, f"http://{address}/", check=False)
        ours = subprocess.run([*GET, f"http://{address}/"], capture_output=True, check=False)
        assert [done.returncode for done in (pod, node, ours)] == [1, 1, 1], address
    lab.kubectl("delete", "service", "empty")


def test_addresses_of_no_pod_lead_nowhere(lab: Cli) -> None:
    for where in ("cp", "w1"):
        routes = lab.on_node(where, "ip", "route").splitlines()
        assert any(line.startswith("unreachable 10.64.0.0/16") for line in routes)
    ours = subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout
    assert "unreachable 10.64.0.0/16" in ours
