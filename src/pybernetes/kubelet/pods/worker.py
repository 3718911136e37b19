# SPDX-License-Identifier: Apache-2.0
"""One turn for one pod: look, plan, apply one plan, tell the API. Called until nothing is to do."""

from math import inf

from pybernetes.apimachinery import timestamps
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.timestamps import rfc3339
from pybernetes.apimachinery.types import Object
from pybernetes.base import logs
from pybernetes.cri.types import Container, CriError
from pybernetes.kubelet import naming, podactions, status, volumemanager
from pybernetes.kubelet.containerstatus import Facts
from pybernetes.kubelet.pods import killer, launcher, messages, podcgroup, resize
from pybernetes.kubelet.podstate import PodState
from pybernetes.kubelet.record import MountError, Record, StartError, Waiting
from pybernetes.kubelet.tools import Tools

_log = logs.get("kubelet.pod")


async def run_turn(tools: Tools, record: Record) -> float | None:
    """Do the next thing for a pod that is to run. Seconds until the next turn; None: when woken."""
    state = tools.pleg.state(record.uid)
    now = tools.env.clock.monotonic()
    await _notice(tools, record, state)
    deadline = _deadline(tools, record)
    if record.finished:
        return await _finish(tools, record, state)
    plan = podactions.plan(record.pod, state, _facts(tools, record))
    record.finished = plan.finished
    _note_backoff(tools, record, plan)
    publish(tools, record, state)
    if record.finished:
        return await _finish(tools, record, state)
    if plan.idle:
        await _refresh_volumes(tools, record, state)
        again = await resize.apply(tools, record, state)
        retries = (at - now for at in record.retry.values() if at > now)
        soonest = min(deadline, again, *plan.backing_off.values(), *retries)
        return None if soonest == inf else max(0.01, soonest)  # None: when woken
    later = await _apply(tools, record, plan, state)
    await tools.pleg.refresh()
    return later


def _facts(tools: Tools, record: Record) -> podactions.Facts:
    now = tools.env.clock.time()

    def backoff(container: Object, dead: Container) -> float:
        return record.backoff_left(container["name"], dead, now)

    return podactions.Facts(
        failed_liveness=tools.probes.failed(record.uid),
        started=tools.probes.is_started,
        backoff=backoff,
        restarts=lambda container: resize.restarts(record, container),
    )


async def _notice(tools: Tools, record: Record, state: PodState) -> None:
    """Follow what runs with probes, and read what the dead left as their message."""
    tools.probes.follow(record.pod, state, lambda: record.pod)
    known = {item.id for item in state.containers}
    record.messages = {key: text for key, text in record.messages.items() if key in known}
    if tools.runtime.hollow:
        return
    for item in state.containers:
        if item.state == "exited" and item.id not in record.messages:
            text = await tools.env.offload.run(messages.read, item)
            limit = messages.POD_BYTES // len(naming.containers_of(record.pod) or (1,))
            record.messages[item.id] = text.encode()[:limit].decode(errors="ignore")


def _note_backoff(tools: Tools, record: Record, plan: podactions.Plan) -> None:
    pod = record.pod
    for name in plan.backing_off:
        seconds = int(record.backoff[name].seconds)
        pretty = f"{seconds // 60}m{seconds % 60}s" if seconds >= 60 else f"{seconds}s"
        full = f"{pod['metadata']['name']}_{pod['metadata']['namespace']}({record.uid})"
        message = f"back-off {pretty} restarting failed container={name} pod={full}"
        waiting = Waiting("CrashLoopBackOff", message)
        if record.waiting.get(name) != waiting:
            record.waiting[name] = waiting
            text = f"Back-off restarting failed container {name} in pod {full}"
            tools.event(pod, "Warning", "BackOff", text, container=name)


def _deadline(tools: Tools, record: Record) -> float:
    """Seconds until activeDeadlineSeconds is over; once it is, the pod has failed."""
    limit, start = record.pod["spec"].get("activeDeadlineSeconds"), record.start_time
    if limit is None or not start or record.finished:
        return inf
    left = timestamps.parse(start).timestamp() + int(limit) - tools.env.clock.time()
    if left <= 0:
        message = "Pod was active on the node longer than the specified deadline"
        record.failed, record.finished = ("DeadlineExceeded", message), True
        tools.event(record.pod, "Normal", "DeadlineExceeded", message)
    return left


async def _apply(
    tools: Tools, record: Record, plan: podactions.Plan, state: PodState
) -> float | None:
    """One plan. Seconds until the next try of what failed."""
    now = tools.env.clock.monotonic()
    pod = record.pod
    if plan.kill_pod:
        if plan.create_sandbox:
            message = "Pod sandbox changed, it will be killed and re-created."
            tools.event(pod, "Normal", "SandboxChanged", message)
        await killer.kill_pod(tools, pod, state, record.grace())
        await tools.pleg.refresh()
    if plan.reset:
        await killer.reset(tools, record, state)
    for kill in plan.kill:
        grace = _probe_grace(record, kill.container.name, kill.message)
        await killer.kill_container(tools, pod, kill.container, kill.message, grace=grace)
    try:
        if plan.create_sandbox or record.volumes is None:
            await launcher.mount_volumes(tools, record, state)
        if plan.create_sandbox:
            await launcher.start_sandbox(tools, record, plan.attempt)
            return 0.0
    except StartError as error:
        return error.retry
    await resize.make_room(tools, record)
    waits = [
        await _start(tools, record, name, state)
        for name in plan.start
        if record.retry.get(name, 0.0) <= now
    ]
    waits += [at - now for at in record.retry.values() if at > now]
    return min(waits, default=0.0)


def _probe_grace(record: Record, name: str, message: str) -> int:
    """The grace period of a kill; a failed probe may have its own."""
    spec = naming.find_container(record.pod, name) or {}
    for kind in ("liveness", "startup"):
        own = (spec.get(f"{kind}Probe") or {}).get("terminationGracePeriodSeconds")
        if own is not None and f"failed {kind} probe" in message:
            return int(own)
    return record.grace()


async def _start(tools: Tools, record: Record, name: str, state: PodState) -> float:
    """Start one container. Seconds until something is to be done about it again."""
    clock = tools.env.clock
    dead = state.latest(name)
    try:
        await launcher.start_container(tools, record, state, name)
    except StartError as error:
        record.waiting[name] = error.waiting
        record.retry[name] = clock.monotonic() + error.retry
        if error.waiting.reason == "PostStartHookError":
            _count(tools, record, name)
        return error.retry
    record.waiting.pop(name, None)
    record.retry.pop(name, None)
    if dead is not None and dead.state == "exited":
        _count(tools, record, name)
    return 0.0


def _count(tools: Tools, record: Record, name: str) -> None:
    limits = (tools.config.backoff_initial, tools.config.backoff_maximum)
    record.count_restart(name, tools.env.clock.time(), limits)


async def _refresh_volumes(tools: Tools, record: Record, state: PodState) -> None:
    now = tools.env.clock.monotonic()
    if record.volumes is None and not record.finished and not tools.runtime.hollow:
        try:
            await launcher.mount_volumes(tools, record, state)  # a restarted kubelet
        except StartError:
            return
    if now - record.volumes_at < tools.config.volume_interval or record.finished:
        return
    record.volumes_at = now
    try:
        await volumemanager.refresh(tools, record.pod, state.ips)
    except MountError as error:
        tools.event(record.pod, "Warning", "FailedMount", str(error))


def publish(tools: Tools, record: Record, state: PodState) -> None:
    """Compute the status and hand it to the status manager."""
    clock = tools.env.clock
    if not record.start_time:
        record.start_time = rfc3339(clock.now())
    facts = Facts(
        now=rfc3339(clock.now()),
        node_ips=tools.config.node_ips,
        ready=tools.probes.ready(record.uid),
        started=tools.probes.started(record.uid),
        runtime="hollow" if tools.runtime.hollow else "containerd",
    )
    pod = record.pod
    newest = tools.statuses.get(record.uid)
    if newest is not None:  # ours may be newer than what the informer has seen
        old = pod.get("status") or {}
        others = [c for c in old.get("conditions", ()) if c["type"] not in status.OWNED]
        own = [c for c in newest.get("conditions", ()) if c["type"] in status.OWNED]
        pod = {**pod, "status": {**old, **newest, "conditions": own + others}}
    tools.statuses.set(record.pod, status.generate(pod, state, record, facts))


async def _finish(tools: Tools, record: Record, state: PodState) -> float | None:
    """A finished pod: end what still runs, give back volumes and cgroup; the dead stay for logs."""
    if not record.cleaned:
        await killer.kill_pod(tools, record.pod, state, record.grace())
        await tools.pleg.refresh()
        await _release(tools, record)
        record.cleaned = True
    state = tools.pleg.state(record.uid)
    await _notice(tools, record, state)
    publish(tools, record, state)
    if record.over is not None:
        record.over.set()
    return None


async def _release(tools: Tools, record: Record) -> None:
    tools.probes.stop(record.uid)
    try:
        await volumemanager.remove(tools, record.uid)
    except OSError as error:
        _log.warning("Volumes could not be removed", pod=naming.full_name(record.pod), err=error)
    if not tools.runtime.hollow:
        await tools.env.offload.run(podcgroup.remove, tools.config, record.uid)


async def end_turn(tools: Tools, record: Record) -> float | None:
    """End a pod that was deleted (or is nobody's): containers, sandbox, volumes, API object."""
    await tools.pleg.refresh()
    state = tools.pleg.state(record.uid)
    await _notice(tools, record, state)
    tools.probes.stop(record.uid, all_kinds=False)
    publish(tools, record, state)
    try:
        await killer.kill_pod(tools, record.pod, state, record.grace())
    except CriError as error:
        message = f"error killing pod: {error}"
        tools.event(record.pod, "Warning", "FailedKillPod", message)
        return 2.0
    await tools.pleg.refresh()
    state = tools.pleg.state(record.uid)
    if state.running:
        return 1.0
    await _notice(tools, record, state)
    record.finished = True
    publish(tools, record, state)
    await _release(tools, record)
    if not record.gone:
        await tools.statuses.flush(record.uid)
        return await _delete(tools, record)
    await killer.remove(tools, state.containers, state.sandboxes)
    return None


async def _delete(tools: Tools, record: Record) -> float | None:
    """Take the object out of the API; a while later the informer tells that it is gone."""
    namespace, name = naming.key(record.pod)
    options: Object = {"gracePeriodSeconds": 0, "preconditions": {"uid": record.uid}}
    try:
        await tools.client.delete(naming.PODS, name, namespace, options=options)
    except ApiError as error:
        if error.code not in (404, 409):
            _log.warning("A pod could not be deleted", pod=naming.full_name(record.pod), err=error)
            return 5.0
    except ConnectionError:
        return 5.0
    return 30.0 if record.pod["metadata"].get("finalizers") else None
