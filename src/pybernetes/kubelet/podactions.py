# SPDX-License-Identifier: Apache-2.0
"""What to do next for a pod: desired spec and runtime state in, a Plan out. Pure.

The rules are upstream's computePodActions: first the sandbox, then init containers one after
another (sidecars stay), then the containers; what is dead is started again as the restart policy
says, once its back-off is over.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.pod.status import RESTART_ALL
from pybernetes.cri.types import Container
from pybernetes.kubelet import naming
from pybernetes.kubelet.podstate import PodState


@dataclass(frozen=True, slots=True)
class Kill:
    """End one container. `restart`: it starts again once it is dead."""

    container: Container
    message: str
    restart: bool = False


@dataclass(slots=True)
class Plan:
    """What to do, in the order of the fields.

    kill_pod: end everything, the sandbox too. kill: containers to end first. create_sandbox: with
    this attempt. start: names of containers to start, in order. backing_off: names that would
    start, and when (seconds from now).
    """

    kill_pod: bool = False
    reset: bool = False  # all containers are removed, and begin anew in this sandbox
    finished: bool = False  # nothing is left to run, ever
    create_sandbox: bool = False
    attempt: int = 0
    kill: list[Kill] = field(default_factory=list)
    start: list[str] = field(default_factory=list)
    backing_off: dict[str, float] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        due = self.kill_pod or self.reset or self.create_sandbox or self.kill or self.start
        return not due


@dataclass(frozen=True, slots=True)
class Facts:
    """What else decides: probe findings by container id, and back-off.

    `backoff(container, dead)` is the seconds to wait before `container` may start again after its
    instance `dead` ended (0: now).
    """

    failed_liveness: Mapping[str, str] = field(default_factory=dict)  # id -> "liveness"/"startup"
    started: Callable[[str], bool] = lambda _: True  # id -> its startup probe has passed
    backoff: Callable[[Object, Container], float] = lambda _c, _d: 0.0
    restarts: Callable[[Object], bool] = lambda _: False  # its new resources need a restart


def plan(pod: Object, state: PodState, facts: Facts) -> Plan:
    """The next step for a pod that is meant to run."""
    result = Plan()
    sandbox = state.sandbox
    if sandbox is None or not (sandbox.ips or pod["spec"].get("hostNetwork")):
        _plan_sandbox(pod, state, result)
        return result
    spec = pod["spec"]
    every = (*spec.get("initContainers", ()), *spec["containers"])
    if any(_resets(container, state) for container in every):
        result.reset = True
        return result
    ephemeral = (item["name"] for item in spec.get("ephemeralContainers", ()))
    result.start += (name for name in ephemeral if state.latest(name) is None)
    _drop_duplicates(state, result)
    if _plan_init(pod, state, (facts, result)):
        _plan_regular(pod, state, (facts, result))
    return result


def restart_policy(pod: Object) -> str:
    return str(pod["spec"].get("restartPolicy") or "Always")


def policy_of(pod: Object, container: Object) -> str:
    """The restart policy that counts for a container: its own, else the pod's."""
    return str(container.get("restartPolicy") or restart_policy(pod))


def should_restart(pod: Object, container: Object, dead: Container | None) -> bool:
    """Whether a container that is not running should be started (again)."""
    if dead is None or dead.state in ("created", "unknown"):
        return True
    return restarts_after(pod, container, dead.exit_code)


def restarts_after(pod: Object, container: Object, code: int) -> bool:
    """Whether a container that ended with `code` starts again, by its rules or its policy."""
    policy = policy_of(pod, container)
    again = policy == "Always" or (policy == "OnFailure" and code != 0)
    return again or bool(_action(container, code))


def _action(container: Object, code: int) -> str:
    """What the container's restartPolicyRules say about an exit code ("": nothing)."""
    for rule in container.get("restartPolicyRules", ()):
        codes = rule.get("exitCodes") or {}
        inside = code in codes.get("values", ())
        if inside == (codes.get("operator") == "In"):
            return str(rule.get("action"))
    return ""


def _resets(container: Object, state: PodState) -> bool:
    dead = state.active(container["name"])
    ended = dead is not None and dead.state == "exited"
    return ended and _action(container, dead.exit_code if dead else 0) == RESTART_ALL


def _plan_sandbox(pod: Object, state: PodState, result: Plan) -> None:
    """There is no usable sandbox: make one if anything still has to run."""
    result.kill_pod = bool(state.sandboxes)
    newest = state.sandboxes[0] if state.sandboxes else None
    result.attempt = newest.attempt + 1 if newest else 0
    regular = pod["spec"]["containers"]
    wanted = [c["name"] for c in regular if should_restart(pod, c, state.latest(c["name"]))]
    if result.attempt and restart_policy(pod) == "Never":  # only what has not run yet
        wanted = [name for name in wanted if _never_ran(state.latest(name))]
    if not wanted or _init_failed_for_good(pod, state):
        result.finished = True
        result.kill_pod = result.kill_pod and bool((newest and newest.ready) or state.running)
        return
    result.create_sandbox = True
    init = pod["spec"].get("initContainers", ())
    result.start = [init[0]["name"]] if init else wanted


def _never_ran(container: Container | None) -> bool:
    return container is None or container.state == "created"


def _init_failed_for_good(pod: Object, state: PodState) -> bool:
    """An init container failed and the pod must not try again."""
    if restart_policy(pod) != "Never":
        return False
    for container in pod["spec"].get("initContainers", ()):
        dead = state.latest(container["name"])
        if dead and dead.state == "exited" and dead.exit_code and not naming.is_sidecar(container):
            return not should_restart(pod, container, dead)
    return False


def _drop_duplicates(state: PodState, result: Plan) -> None:
    """Kill all but the newest running instance of a container (a crash between our steps)."""
    seen: dict[str, None] = {}
    for item in state.containers:
        if item.name in seen and item.state == "running":
            result.kill.append(Kill(item, f"Container {item.name} is superseded"))
        seen[item.name] = None


def _plan_init(pod: Object, state: PodState, into: tuple[Facts, Plan]) -> bool:
    """Advance initialization; True when the regular containers may run."""
    facts, result = into
    done = any(state.active(item["name"]) is not None for item in pod["spec"]["containers"])
    for container in pod["spec"].get("initContainers", ()):
        current = state.active(container["name"])
        if naming.is_sidecar(container):
            ready = _plan_one(pod, container, current, into)
            if not done and not (ready and current and facts.started(current.id)):
                return False
        elif done:
            continue
        elif current is None or current.state != "exited":
            if current is None or current.state != "running":
                _start(container, current, into)
            return False
        elif current.exit_code != 0:
            if not should_restart(pod, container, current):
                result.kill_pod = result.finished = True
            else:
                _start(container, current, into)
            return False
    return True


def _plan_regular(pod: Object, state: PodState, into: tuple[Facts, Plan]) -> None:
    _, result = into
    alive = False
    for container in pod["spec"]["containers"]:
        name = container["name"]
        current = state.active(name) or state.latest(name)
        stays = _plan_one(pod, container, current, into)
        restarts = name in result.start or name in result.backing_off
        restarts = restarts or any(k.restart and k.container is current for k in result.kill)
        alive = alive or stays or restarts
    if not alive:
        result.kill_pod = result.finished = True
        result.start.clear()
        result.backing_off.clear()


def _plan_one(
    pod: Object, container: Object, current: Container | None, into: tuple[Facts, Plan]
) -> bool:
    """Plan one long-lived container; True if it runs and stays."""
    facts, result = into
    if current is None or current.state != "running":
        if should_restart(pod, container, current):
            if current is not None and current.state == "unknown":
                result.kill.append(Kill(current, "Container is in unknown state"))
            _start(container, current, into)
        return False
    message = _why_kill(container, current, facts)
    if not message:
        return True
    definition = message.endswith(("changed", "requires restart"))
    restart = definition or policy_of(pod, container) != "Never"
    message += ", will be restarted" if restart and not message.endswith("requires restart") else ""
    result.kill.append(Kill(current, message, restart))
    return False


def _why_kill(container: Object, current: Container, facts: Facts) -> str:
    name = container["name"]
    recorded = current.annotations.get(naming.CONTAINER_HASH)
    if recorded is not None and recorded != naming.container_hash(container):
        return f"Container {name} definition changed"
    if facts.restarts(container):
        return f"Container {name} resize requires restart"
    probe = facts.failed_liveness.get(current.id)
    return f"Container {name} failed {probe} probe" if probe else ""


def _start(container: Object, dead: Container | None, into: tuple[Facts, Plan]) -> None:
    """Start a container now, or note when its back-off ends."""
    facts, result = into
    wait = facts.backoff(container, dead) if dead is not None and dead.state == "exited" else 0.0
    if wait > 0:
        result.backing_off[container["name"]] = wait
    else:
        result.start.append(container["name"])
