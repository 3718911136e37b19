# SPDX-License-Identifier: Apache-2.0
"""Manifests as static pods; what is remembered across restarts."""

import asyncio

import pytest

from pybernetes.apimachinery.errors import ApiError
from pybernetes.base.env import Env
from pybernetes.cri.types import Container
from pybernetes.kubelet.checkpoint import Checkpoint
from pybernetes.kubelet.record import Record
from pybernetes.kubelet.staticpods import parse

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers: [{name: c, image: web}]
"""


def test_a_manifest_becomes_a_pod_of_this_node():
    pod = parse(POD.encode(), "/etc/manifests/web.yaml", "w1")
    metadata = pod["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("web-w1", "default")
    assert metadata["annotations"]["kubernetes.io/config.hash"] == metadata["uid"]
    assert pod["spec"]["nodeName"] == "w1"
    assert pod["spec"]["tolerations"] == [{"operator": "Exists", "effect": "NoExecute"}]
    assert pod["spec"]["restartPolicy"] == "Always"  # defaults are applied
    assert parse(POD.encode(), "/etc/manifests/web.yaml", "w1") == pod
    other = parse(
        POD.replace("image: web", "image: web:2").encode(), "/etc/manifests/web.yaml", "w1"
    )
    assert other["metadata"]["uid"] != metadata["uid"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "yaml: line 2"),
        ("kind: Deployment", "invalid pod: it must be of apiVersion v1 and kind Pod"),
        (POD.replace("name: web,", ""), "invalid pod: name is needed for the pod"),
        (POD.replace("name: c,", "name: C,"), "invalid pod: spec.containers"),
        (POD + "  serviceAccountName: default\n", "static pods may not reference serviceaccounts"),
        (
            POD.replace("image: web", "image: web, envFrom: [{configMapRef: {name: m}}]"),
            "static pods may not reference configmaps",
        ),
        (
            POD + "  volumes: [{name: v, secret: {secretName: s}}]\n",
            "static pods may not reference secrets",
        ),
    ],
)
def test_manifests_that_are_refused(text, message):
    with pytest.raises((ValueError, ApiError), match=message.replace("[", "\\[")):
        parse(text.encode(), "f", "n")


async def test_what_a_kubelet_remembers(tmp_path):
    path = tmp_path / "state.json"
    checkpoint = Checkpoint(Env(), path)
    running = asyncio.ensure_future(checkpoint.run())
    record = Record("u", {}, allocated={"c": {"limits": {"cpu": "1"}}}, start_time="T")
    record.resources["c"] = {}
    record.count_restart("c", 100.0, (10.0, 300.0))
    record.count_restart("c", 110.0, (10.0, 300.0))
    checkpoint.put("u", record.kept())
    checkpoint.put("gone", {"allocated": {}})
    checkpoint.put("gone", None)
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    again = Record("u", {})
    again.restore(Checkpoint(Env(), path).get("u"))
    assert again.kept() == record.kept()
    dead = Container("i", "s", "c", 0, "w", "", "exited", 1, finished_at=int(110e9))
    assert again.backoff_left("c", dead, 115.0) == 15.0
    assert Checkpoint(Env(), path).get("gone") == {}
    path.write_text("{broken")
    assert Checkpoint(Env(), path).get("u") == {}
