# SPDX-License-Identifier: Apache-2.0
"""What the README promises, typed as a user types it, on a real node and on a hollow one.

The tests of this file run in order and share a cluster.
"""

import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from commandline import ROOT, Cli, wait_until

pytestmark = [pytest.mark.kubectl, pytest.mark.timeout(240)]
WEB = str(ROOT / "examples" / "web")


@pytest.fixture(scope="module", params=["hollow", "real"])
def cli(request: pytest.FixtureRequest) -> Cli:
    found: Cli = request.getfixturevalue(request.param)
    return found


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        text: str = answer.read().decode()
    return text


def test_the_context_is_merged_and_the_node_is_ready(cli: Cli) -> None:
    contexts = cli.user_config.read_text()
    assert "current-context: pybernetes" in contexts
    node = cli.get("nodes")["items"][0]
    conditions = {one["type"]: one["status"] for one in node["status"]["conditions"]}
    assert conditions["Ready"] == "True"
    wide = cli.kubectl("get", "nodes", "-o", "wide")
    assert "CONTAINER-RUNTIME" in wide
    assert ("containerd://" in wide) or ("hollow://" in wide)


def test_apply_rollout_and_look(cli: Cli) -> None:
    applied = cli.kubectl("apply", "-f", WEB)
    assert "deployment.apps/web created" in applied
    cli.kubectl("rollout", "status", "deploy/web", "-n", "demo", "--timeout=60s")
    pods = cli.kubectl("get", "pods", "-n", "demo", "-o", "wide")
    assert pods.count("Running") == 3
    assert pods.count("1/1") == 3
    name = pods.splitlines()[1].split()[0]
    described = cli.kubectl("describe", "pod", name, "-n", "demo")
    assert "Successfully assigned demo/" in described
    assert "Container started" in described
    assert "Scheduled" in cli.kubectl("get", "events", "-n", "demo")
    assert "unchanged" in cli.kubectl("apply", "-f", WEB)
    assert cli.kubectl("diff", "-f", WEB) == ""


def test_change_it_and_undo(cli: Cli) -> None:
    cli.kubectl("scale", "-n", "demo", "deploy/web", "--replicas=5")
    cli.kubectl("rollout", "status", "-n", "demo", "deploy/web", "--timeout=60s")
    assert len(cli.get("pods", "-n", "demo", "-l", "app=web")["items"]) >= 5
    cli.kubectl("set", "image", "-n", "demo", "deploy/web", "web=docker.io/pybernetes/web:1")
    cli.kubectl("rollout", "status", "-n", "demo", "deploy/web", "--timeout=90s")
    assert "REVISION" in cli.kubectl("rollout", "history", "-n", "demo", "deploy/web")
    cli.kubectl("rollout", "undo", "-n", "demo", "deploy/web")
    cli.kubectl("rollout", "status", "-n", "demo", "deploy/web", "--timeout=90s")
    image = cli.get("deploy", "web", "-n", "demo")["spec"]["template"]["spec"]["containers"][0][
        "image"
    ]
    assert image == "pybernetes/web:1"
    cli.kubectl("label", "-n", "demo", "deploy/web", "tier=front")
    cli.kubectl("patch", "-n", "demo", "deploy/web", "-p", '{"metadata":{"annotations":{"a":"b"}}}')
    metadata = cli.get("deploy", "web", "-n", "demo")["metadata"]
    assert metadata["labels"]["tier"] == "front"
    assert metadata["annotations"]["a"] == "b"


def test_edit_apply_server_side_wait_explain_api_resources(cli: Cli) -> None:
    env = {**os.environ, "KUBE_EDITOR": "sed -i s/Hello/Goodbye/"}
    done = subprocess.run(
        [
            "kubectl",
            "--kubeconfig",
            str(cli.data_dir / "admin.kubeconfig"),
            "edit",
            "cm/web",
            "-n",
            "demo",
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=env,
    )
    assert "configmap/web edited" in done.stdout, done.stderr
    assert cli.get("cm", "web", "-n", "demo")["data"]["greeting"].startswith("Goodbye")
    applied = cli.kubectl("apply", "--server-side", "--force-conflicts", "-f", WEB)
    assert "configmap/web serverside-applied" in applied
    cli.kubectl("wait", "-n", "demo", "deploy/web", "--for=condition=Available", "--timeout=60s")
    explained = cli.kubectl("explain", "pod.spec.containers")
    assert "terminationMessagePath" in explained
    assert "List of containers" in explained
    resources = cli.kubectl("api-resources")
    for word in ("deployments", "certificatesigningrequests", "horizontalpodautoscalers"):
        assert word in resources


def test_a_deleted_pod_is_replaced(cli: Cli) -> None:
    before = {
        pod["metadata"]["name"] for pod in cli.get("pods", "-n", "demo", "-l", "app=web")["items"]
    }
    victim = sorted(before)[0]
    cli.kubectl("delete", "pod", victim, "-n", "demo", "--wait=false")

    def replaced() -> bool:
        pods = cli.get("pods", "-n", "demo", "-l", "app=web")["items"]
        names = {pod["metadata"]["name"] for pod in pods}
        return victim not in names and len(names) == len(before)

    wait_until(replaced, 60, "the pod's replacement")


@pytest.mark.node
class TestContainers:
    """What only a real node can do."""

    @pytest.fixture(autouse=True)
    def _cluster(self, real: Cli) -> None:
        self.cli = real

    def pod(self) -> str:
        pods = self.cli.get("pods", "-n", "demo", "-l", "app=web")["items"]
        running = [
            pod["metadata"]["name"]
            for pod in pods
            if not pod["metadata"].get("deletionTimestamp") and pod["status"]["phase"] == "Running"
        ]
        return sorted(running)[0]

    def test_the_service_answers_from_the_host_and_by_name_from_a_pod(self) -> None:
        cli = self.cli
        cli.kubectl("rollout", "status", "-n", "demo", "deploy/web", "--timeout=60s")
        address = cli.get("svc", "web", "-n", "demo")["spec"]["clusterIP"]
        assert wait_until(lambda: fetch(f"http://{address}/"), 20)
        for name in ("web", "web.demo.svc.cluster.local"):
            text = cli.kubectl(
                "exec", "-n", "demo", self.pod(), "--", "wget", "-O", "-", f"http://{name}/"
            )
            assert text.strip()

    def test_logs_and_exec(self) -> None:
        cli = self.cli
        assert cli.kubectl("exec", "-n", "demo", self.pod(), "--", "hostname").strip() == self.pod()
        echoed = cli.kubectl(
            "exec", "-i", "-n", "demo", self.pod(), "--", "cat", data="over the wire\n"
        )
        assert echoed == "over the wire\n"
        failed = cli.kubectl_process("exec", "-n", "demo", self.pod(), "--", "sh", "-c", "exit 7")
        assert failed.returncode == 7
        cli.kubectl("run", "talker", "--image=pybernetes/web:1", "--restart=Never", "--command", "--",
                    "sh", "-c", "for i in 1 2 3; do echo line $i; sleep 0.3; done")  # fmt: skip
        cli.kubectl(
            "wait", "pod/talker", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s"
        )
        assert cli.kubectl("logs", "-f", "talker").splitlines() == ["line 1", "line 2", "line 3"]
        cli.kubectl("delete", "pod", "talker")

    def test_pods_reach_the_api_server(self) -> None:
        script = (
            "wget -O - --no-check-certificate "
            '--header "Authorization: Bearer $(cat /var/run/secrets/kubernetes.io/serviceaccount/token)" '
            "https://kubernetes.default.svc/version"
        )
        text = self.cli.kubectl("exec", "-n", "demo", self.pod(), "--", "sh", "-c", script)
        assert '"major"' in text

    def test_a_killed_container_is_restarted_and_counted(self) -> None:
        cli, name = self.cli, self.pod()
        pids = subprocess.run(
            ["pgrep", "-f", "httpd -f"], capture_output=True, text=True, check=False
        )
        assert pids.stdout.split()
        before = cli.get("pod", name, "-n", "demo")["status"]
        container = before["containerStatuses"][0]["containerID"].removeprefix("containerd://")
        victim = next(
            int(pid)
            for pid in pids.stdout.split()
            if container in Path(f"/proc/{pid}/cgroup").read_text()
        )
        os.kill(victim, signal.SIGKILL)

        def restarted() -> bool:
            status = cli.get("pod", name, "-n", "demo")["status"]["containerStatuses"][0]
            return bool(status["restartCount"] == 1 and status["ready"])

        wait_until(restarted, 60, "the restart")
        assert "1 (" in cli.kubectl("get", "pod", name, "-n", "demo")

    def test_configuration_reaches_running_containers(self) -> None:
        cli, name = self.cli, self.pod()
        read = ("exec", "-n", "demo", name, "--", "cat", "/etc/web/token")
        assert cli.kubectl(*read) == "not-a-real-secret"
        cli.kubectl(
            "patch", "secret", "web", "-n", "demo", "-p", '{"stringData":{"token":"changed"}}'
        )
        wait_until(lambda: cli.kubectl(*read) == "changed", 90, "the volume's update")

    def test_down_and_up_bring_everything_back(self) -> None:
        cli = self.cli
        pods = len(cli.get("pods", "-n", "demo", "-l", "app=web")["items"])
        assert "running" in cli.pybernetes("status").stdout
        cli.pybernetes("down")
        assert cli.pybernetes("status", check=False).returncode == 3
        rules = subprocess.run(
            ["nft", "list", "tables"], capture_output=True, text=True, check=True
        )
        assert "pybernetes-" not in rules.stdout
        links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True)
        assert "pybr-" not in links.stdout
        cli.pybernetes("up")
        cli.kubectl("rollout", "status", "-n", "demo", "deploy/web", "--timeout=90s")
        address = cli.get("svc", "web", "-n", "demo")["spec"]["clusterIP"]
        assert wait_until(lambda: fetch(f"http://{address}/"), 30)
        assert len(cli.get("pods", "-n", "demo", "-l", "app=web")["items"]) == pods


def test_deleting_the_namespace_finishes(cli: Cli) -> None:
    start = time.monotonic()
    cli.kubectl("delete", "-f", WEB, "--timeout=90s")
    assert "NotFound" in cli.kubectl("get", "ns", "demo", check=False)
    assert time.monotonic() - start < 90
