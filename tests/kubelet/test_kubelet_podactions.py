# SPDX-License-Identifier: Apache-2.0
"""What to do next for a pod: each case is a pod, what the runtime has, and the plan."""

import pytest

from pybernetes.cri.types import Container, Sandbox
from pybernetes.kubelet import naming
from pybernetes.kubelet.podactions import Facts, plan
from pybernetes.kubelet.podstate import PodState


def pod(policy="Always", init=(), names=("a",)):
    containers = [{"name": name, "image": "i"} for name in names]
    spec = {"restartPolicy": policy, "containers": containers, "initContainers": list(init)}
    return {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": spec}


def sandbox(ready=True, attempt=0):
    return Sandbox(f"s{attempt}", "p", "n", "u", attempt, ready, 1, ips=("10.0.0.1",))


def container(name, state="running", code=0, *, id_="", sandbox_id="s0", image="i"):
    spec = {"name": name, "image": image}
    notes = {naming.CONTAINER_HASH: naming.container_hash(spec)}
    return Container(
        id_ or f"c-{name}", sandbox_id, name, 0, image, "", state, 1, annotations=notes,
        started_at=1, finished_at=2, exit_code=code,
    )  # fmt: skip


def state(*containers, sandboxes=None):
    boxes = (sandbox(),) if sandboxes is None else sandboxes
    return PodState("u", "p", "n", tuple(boxes), containers)


def test_a_new_pod_gets_a_sandbox_and_all_its_containers():
    found = plan(pod(names=("a", "b")), PodState("u"), Facts())
    assert (found.create_sandbox, found.attempt, found.start) == (True, 0, ["a", "b"])
    assert not found.kill_pod


def test_init_containers_run_one_after_another():
    spec = pod(init=[{"name": "i1"}, {"name": "i2"}])
    assert plan(spec, PodState("u"), Facts()).start == ["i1"]
    assert plan(spec, state(container("i1")), Facts()).idle
    done = container("i1", "exited")
    assert plan(spec, state(done), Facts()).start == ["i2"]
    assert plan(spec, state(done, container("i2", "exited")), Facts()).start == ["a"]


def test_failed_init_container_ends_a_pod_that_never_restarts():
    failed = state(container("i1", "exited", 1))
    found = plan(pod("Never", [{"name": "i1"}]), failed, Facts())
    assert (found.kill_pod, found.finished, found.start) == (True, True, [])
    assert plan(pod("OnFailure", [{"name": "i1"}]), failed, Facts()).start == ["i1"]


def test_sidecar_must_have_started_and_is_restarted():
    spec = pod(init=[{"name": "s", "image": "i", "restartPolicy": "Always"}])
    running = container("s")
    assert plan(spec, state(running), Facts(started=lambda _: False)).start == []
    assert plan(spec, state(running), Facts()).start == ["a"]
    dead = state(container("s", "exited", 1), container("a"))
    assert plan(spec, dead, Facts()).start == ["s"]


@pytest.mark.parametrize(
    ("policy", "code", "restarts"),
    [
        ("Always", 0, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 1, False),
    ],
)
def test_restart_policy(policy, code, restarts):
    found = plan(pod(policy), state(container("a", "exited", code)), Facts())
    assert (found.start == ["a"], found.finished) == (restarts, not restarts)


def test_back_off_delays_the_restart():
    facts = Facts(backoff=lambda _spec, _dead: 7.0)
    found = plan(pod(), state(container("a", "exited", 1)), facts)
    assert (found.start, found.backing_off, found.finished) == ([], {"a": 7.0}, False)


def test_failed_liveness_and_changed_definition_kill_first():
    found = plan(pod(), state(container("a")), Facts(failed_liveness={"c-a": "liveness"}))
    assert [kill.message for kill in found.kill] == [
        "Container a failed liveness probe, will be restarted"
    ]
    assert found.start == []  # once it is dead
    changed = plan(pod(), state(container("a", image="old")), Facts())
    assert changed.kill[0].message == "Container a definition changed, will be restarted"


def test_dead_sandbox_is_replaced_unless_all_is_done():
    old = [sandbox(ready=False, attempt=3)]
    found = plan(pod(), state(container("a", "exited", 1), sandboxes=old), Facts())
    assert (found.kill_pod, found.create_sandbox, found.attempt) == (True, True, 4)
    done = plan(pod("Never"), state(container("a", "exited", 0), sandboxes=old), Facts())
    assert (done.create_sandbox, done.finished) == (False, True)


@pytest.mark.parametrize(
    ("containers", "starts"),
    [
        ([container("a", "created")], ["a", "b"]),  # the power went between create and start
        ([container("a", "exited", 255), container("b", "created")], ["b"]),
        ([container("a", "exited", 255)], ["b"]),
        ([container("a", "exited", 0), container("b", "exited", 255)], []),
        ([container("a", "unknown"), container("b", "exited", 0)], []),  # it may have run
    ],
)
def test_a_pod_that_never_restarts_still_runs_what_never_ran(containers, starts):
    lost = state(*containers, sandboxes=[sandbox(ready=False)])
    found = plan(pod("Never", names=("a", "b")), lost, Facts())
    assert (found.start, found.create_sandbox, found.finished) == (starts, bool(starts), not starts)
    again = state(*containers, sandboxes=[sandbox(attempt=1), sandbox(ready=False)])
    assert plan(pod("Never", names=("a", "b")), again, Facts()).start == starts or not starts
