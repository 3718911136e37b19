# SPDX-License-Identifier: Apache-2.0
"""PodStatus: phases, conditions and container states."""

import dataclasses

from pybernetes.cri.types import Container, Sandbox
from pybernetes.kubelet.containerstatus import Facts
from pybernetes.kubelet.podstate import PodState
from pybernetes.kubelet.record import Record, Waiting
from pybernetes.kubelet.status import generate

BOX = Sandbox("s", "p", "n", "u", 0, True, 1, ips=("10.0.0.7",))


def pod(policy="Always", **more):
    spec = {"restartPolicy": policy, "containers": [{"name": "a", "image": "i"}], **more}
    metadata = {"name": "p", "namespace": "n", "uid": "u", "generation": 4}
    return {"metadata": metadata, "spec": spec, "status": {"qosClass": "Burstable"}}


def container(state="running", code=0, id_="c1"):
    return Container(id_, "s", "a", 0, "i", "ref", state, 1, started_at=10**9,
                     finished_at=2 * 10**9, exit_code=code)  # fmt: skip


def make(spec, *containers, now="NOW", ready=None, started=None, state=None, **known):
    facts = Facts(now, ("192.0.2.1",), ready or {}, started or {})
    state = state or PodState("u", "p", "n", (BOX,), containers)
    return generate(spec, state, Record("u", spec, start_time="START", **known), facts)


def condition(status, name):
    return next(item for item in status["conditions"] if item["type"] == name)


def test_before_anything_runs():
    status = make(pod(), state=PodState("u"))
    assert (status["phase"], status["observedGeneration"]) == ("Pending", 4)
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert condition(status, "PodReadyToStartContainers")["status"] == "False"
    ready = condition(status, "Ready")
    assert ready["message"] == "containers with unready status: [a]"
    assert "podIP" not in status


def test_running_and_ready():
    status = make(pod(), container(), ready={"c1": True}, started={"c1": True})
    assert (status["phase"], status["podIP"]) == ("Running", "10.0.0.7")
    assert condition(status, "Ready")["status"] == "True"
    one = status["containerStatuses"][0]
    assert (one["ready"], one["containerID"]) == (True, "containerd://c1")


def test_readiness_gate_keeps_a_pod_unready():
    spec = pod(readinessGates=[{"conditionType": "x/y"}])
    status = make(spec, container(), ready={"c1": True}, started={"c1": True})
    assert condition(status, "ContainersReady")["status"] == "True"
    assert condition(status, "Ready")["reason"] == "ReadinessGatesNotReady"


def test_crash_loop_shows_waiting_and_the_last_end():
    waiting = {"a": Waiting("CrashLoopBackOff", "back-off 10s")}
    status = make(pod(), container("exited", 3), waiting=waiting)
    one = status["containerStatuses"][0]
    assert one["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert one["lastState"]["terminated"]["exitCode"] == 3
    assert status["phase"] == "Running"


def test_ends():
    assert make(pod("Never"), container("exited", 0), finished=True)["phase"] == "Succeeded"
    failed = make(pod("Never"), container("exited", 1), finished=True)
    assert failed["phase"] == "Failed"
    assert condition(failed, "Ready")["reason"] == "PodFailed"


def test_a_lost_container_is_said_to_be_lost():
    spec = pod("Never")
    running = {"name": "a", "state": {"running": {}}, "containerID": "containerd://x"}
    spec["status"]["containerStatuses"] = [running]
    status = make(spec, state=PodState("u"), finished=True)
    ended = status["containerStatuses"][0]["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("ContainerStatusUnknown", 137)


def test_transition_time_changes_only_with_the_status():
    spec = pod()
    spec["status"] = make(spec, container(), ready={"c1": True}, started={"c1": True})
    status = make(spec, container(), ready={"c1": False}, started={"c1": True}, now="LATER")
    assert condition(status, "Ready")["lastTransitionTime"] == "LATER"
    assert condition(status, "Initialized")["lastTransitionTime"] == "NOW"


def test_rejected_by_the_node():
    status = make(pod(), rejected=("OutOfcpu", "Pod was rejected: too much"))
    assert (status["phase"], status["reason"]) == ("Failed", "OutOfcpu")


def test_a_running_init_container_is_incomplete():
    names = [{"name": "a"}, {"name": "b"}]
    spec = pod(initContainers=names)
    spec["spec"]["containers"] = [{"name": "c", "image": "i"}]
    status = make(spec, container(), ready={"c1": True}, started={"c1": True})
    found = condition(status, "Initialized")
    assert found["message"] == "containers with incomplete status: [a b]"
    status = make(spec, container("exited"))
    assert condition(status, "Initialized")["message"].endswith("[b]")


def test_a_pod_whose_sidecar_still_ends_has_not_succeeded():
    spec = pod("Never", initContainers=[{"name": "s", "restartPolicy": "Always"}])
    side = dataclasses.replace(container(id_="c2"), name="s")
    spec["status"]["phase"] = "Running"
    assert make(spec, container("exited"), side, finished=True)["phase"] == "Running"
    ended = dataclasses.replace(side, state="exited", exit_code=137)
    assert make(spec, container("exited"), ended, finished=True)["phase"] == "Succeeded"


def test_containers_with_rules_of_their_own_do_not_fail_their_pod():
    rules = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]
    spec = pod("Never")
    spec["spec"]["containers"][0] |= {"restartPolicy": "Never", "restartPolicyRules": rules}
    assert make(spec, container("exited", 42))["phase"] == "Running"
    assert make(spec, container("exited", 41))["phase"] == "Failed"
    init = [{"name": "a", "restartPolicy": "Never", "restartPolicyRules": rules}]
    spec = pod("Never", initContainers=init)
    spec["spec"]["containers"] = [{"name": "c", "image": "i"}]
    assert make(spec, container("exited", 42))["phase"] == "Pending"
    assert make(spec, container("exited", 41))["phase"] == "Failed"
