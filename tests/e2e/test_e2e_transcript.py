# SPDX-License-Identifier: Apache-2.0
"""What the README promises, typed as a user types it, on a real node and on a hollow one.

The tests of this file run in order and share a cluster.
"""

import os
import subprocess
import time

import pytest
from commandline import WEB, Cli, wait_until, web_pods

pytestmark = [pytest.mark.kubectl, pytest.mark.timeout(240)]


@pytest.fixture(scope="module", params=["hollow", "real"])
def cli(request: pytest.FixtureRequest) -> Cli:
    found: Cli = request.getfixturevalue(request.param)
    return found


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
        cli.kubectl_command("edit", "cm/web", "-n", "demo"),
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
    before = web_pods(cli)
    victim = before[0]
    cli.kubectl("delete", "pod", victim, "-n", "demo")

    def replaced() -> bool:
        now = web_pods(cli)
        return victim not in now and len(now) == len(before)

    wait_until(replaced, 60, "the pod's replacement")


def test_deleting_the_namespace_finishes(cli: Cli) -> None:
    start = time.monotonic()
    cli.kubectl("delete", "-f", WEB, "--timeout=90s")
    assert "NotFound" in cli.kubectl("get", "ns", "demo", check=False)
    assert time.monotonic() - start < 90
