# SPDX-License-Identifier: Apache-2.0
"""Ending containers gracefully: preStop hook, stop signal, grace period, SIGKILL."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Awaitable, Callable, Iterable, Sequence

from pybernetes.apimachinery.types import Object
from pybernetes.base import logs
from pybernetes.base.tasks import TaskGroup
from pybernetes.cri.types import Container, CriError, Sandbox
from pybernetes.kubelet import naming
from pybernetes.kubelet.pods import hooks
from pybernetes.kubelet.podstate import PodState
from pybernetes.kubelet.probes.checks import Target
from pybernetes.kubelet.record import RESETTING, Record
from pybernetes.kubelet.tools import Tools
from pybernetes.linux.processes import wait_readable

_log = logs.get("kubelet.killer")
MIN_GRACE = 2  # upstream's minimumGracePeriodInSeconds


async def kill_container(
    tools: Tools,
    pod: Object,
    container: Container,
    message: str,
    *,
    grace: int,
    after: Sequence[asyncio.Event] = (),
) -> None:
    """End one container; returns when it is dead. Raises CriError.

    `after`: it is not told to stop before these happened, as long as its grace lasts.
    """
    text = message or f"Stopping container {container.name}"
    tools.event(pod, "Normal", "Killing", text, container=container.name)
    started = tools.env.clock.monotonic()
    if grace > 0:
        await _pre_stop(tools, pod, container, grace)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace - (tools.env.clock.monotonic() - started)):
                for event in after:
                    await event.wait()
    used = int(tools.env.clock.monotonic() - started)
    left = max(MIN_GRACE, grace - used) if grace > 0 else 0
    if left and await _signal(tools, pod, container, left):
        left = 0
    await tools.runtime.stop_container(container.id, left)


async def _signal(tools: Tools, pod: Object, container: Container, seconds: float) -> bool:
    """Send the pod's own stop signal and give it time; False: it names none.

    CRI has no way to ask for it that every runtime knows.
    """
    spec = naming.find_container(pod, container.name) or {}
    name = str((spec.get("lifecycle") or {}).get("stopSignal") or "")
    process = await tools.runtime.container_pid(container.id) if name else 0
    if not process:
        return False
    first, sign, offset = name.replace("-", "+-").partition("+")
    number = signal.Signals[first].value + (int(offset) if sign else 0)
    with contextlib.suppress(TimeoutError, ProcessLookupError):  # it may have ended by itself
        handle = os.pidfd_open(process)
        try:
            signal.pidfd_send_signal(handle, number)
        except OSError:
            os.close(handle)
            raise
        async with asyncio.timeout(seconds):
            await wait_readable(handle)
    return True


async def _pre_stop(tools: Tools, pod: Object, container: Container, grace: int) -> None:
    text = container.annotations.get(naming.PRE_STOP)
    spec = naming.find_container(pod, container.name) or {"name": container.name}
    hook = (spec.get("lifecycle") or {}).get("preStop") or (json.loads(text) if text else None)
    if not hook or container.state != "running":
        return
    address = tools.address(tools.pleg.state(naming.uid(pod)))
    try:
        async with asyncio.timeout(grace):
            target = Target(spec, container.id, address)
            await hooks.run(tools.env, tools.runtime, hook, target)
    except TimeoutError:
        _log.info("preStop hook did not end in time", pod=naming.full_name(pod))
    except hooks.HookError as error:
        _log.info("preStop hook failed", pod=naming.full_name(pod), err=error)
        text = "PreStopHook failed"
        tools.event(pod, "Warning", "FailedPreStopHook", text, container=container.name)


async def kill_pod(tools: Tools, pod: Object, state: PodState, grace: int) -> None:
    """End all containers, sidecars last and in reverse order, then the sandboxes.

    One that fails holds up no other. Raises the first CriError.
    """
    failed: list[CriError] = []
    gone = {container.name: asyncio.Event() for container in state.running}

    async def end(container: Container) -> None:
        after = [gone[name] for name in _before(pod, container.name) if name in gone]
        try:
            await kill_container(tools, pod, container, "", grace=grace, after=after)
        except CriError as error:
            failed.append(error)
        finally:
            gone[container.name].set()

    async with TaskGroup("kill") as group:
        for container in state.running:
            group.start(end(container), container.name)
    for sandbox in state.sandboxes:
        if sandbox.ready:
            try:
                await tools.runtime.stop_sandbox(sandbox.id)
            except CriError as error:
                failed.append(error)
    if failed:
        raise failed[0]


def _before(pod: Object, name: str) -> list[str]:
    """Which containers must be dead before `name` is told to stop: a sidecar's users."""
    spec = pod["spec"]
    sidecars = [item["name"] for item in spec.get("initContainers", ()) if naming.is_sidecar(item)]
    if name not in sidecars:
        return []
    later = sidecars[sidecars.index(name) + 1 :]
    return [*(item["name"] for item in spec["containers"]), *later]


async def reset(tools: Tools, record: Record, state: PodState) -> None:
    """Remove all containers at once, for they all begin anew in the same sandbox. Raises CriError."""
    for container in state.containers:
        if container.state == "running":
            await kill_container(tools, record.pod, container, "killing", grace=0)
        if record.waiting.get(container.name) != RESETTING:  # the newest comes first
            record.attempts[container.name] = naming.restart_count(container) + 1
            record.waiting[container.name] = RESETTING
        await tools.runtime.remove_container(container.id)


async def remove(
    tools: Tools, containers: Iterable[Container], sandboxes: Iterable[Sandbox]
) -> list[str]:
    """Forget them in the runtime; what could not be, in words, and left to the next clean-up."""
    runtime = tools.runtime
    steps: list[tuple[Callable[[str], Awaitable[None]], str]]
    steps = [(runtime.remove_container, container.id) for container in containers]
    for sandbox in sandboxes:
        steps += [(runtime.stop_sandbox, sandbox.id), (runtime.remove_sandbox, sandbox.id)]
    failed = []
    for step, what in steps:
        try:
            await step(what)
        except CriError as error:
            _log.info("A container or sandbox could not be removed", id=what, err=error)
            failed.append(f"{what}: {error}")
    return failed
