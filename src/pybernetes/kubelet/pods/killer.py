# SPDX-License-Identifier: Apache-2.0
"""Ending containers gracefully: preStop hook, stop signal, grace period, SIGKILL."""

import asyncio
import json
from collections.abc import Sequence

from pybernetes.apimachinery.types import Object
from pybernetes.base import logs
from pybernetes.base.tasks import TaskGroup
from pybernetes.cri.types import Container, CriError
from pybernetes.kubelet import naming
from pybernetes.kubelet.pods import hooks
from pybernetes.kubelet.pods.tools import Tools
from pybernetes.kubelet.podstate import PodState
from pybernetes.kubelet.probes.checks import Target

_log = logs.get("kubelet.killer")
MIN_GRACE = 2  # upstream's minimumGracePeriodInSeconds


async def kill_container(
    tools: Tools, pod: Object, container: Container, message: str, *, grace: int
) -> None:
    """End one container; returns when it is dead. Raises CriError."""
    text = message or f"Stopping container {container.name}"
    tools.event(pod, "Normal", "Killing", text, container=container.name)
    started = tools.env.clock.monotonic()
    if grace > 0:
        await _pre_stop(tools, pod, container, grace)
    used = int(tools.env.clock.monotonic() - started)
    left = max(MIN_GRACE, grace - used) if grace > 0 else 0
    await tools.runtime.stop_container(container.id, left)


async def _pre_stop(tools: Tools, pod: Object, container: Container, grace: int) -> None:
    text = container.annotations.get(naming.PRE_STOP)
    spec = naming.find_container(pod, container.name) or {"name": container.name}
    hook = (spec.get("lifecycle") or {}).get("preStop") or (json.loads(text) if text else None)
    if not hook or container.state != "running":
        return
    ips = tools.pleg.state(naming.uid(pod)).ips or tuple(tools.config.node_ips)
    try:
        async with asyncio.timeout(grace):
            await hooks.run(tools.runtime, hook, Target(spec, container.id, ips[0] if ips else ""))
    except TimeoutError:
        _log.info("preStop hook did not end in time", pod=naming.full_name(pod))
    except hooks.HookError as error:
        _log.info("preStop hook failed", pod=naming.full_name(pod), err=error)
        text = "PreStopHook failed"
        tools.event(pod, "Warning", "FailedPreStopHook", text, container=container.name)


async def kill_pod(tools: Tools, pod: Object, state: PodState, grace: int) -> None:
    """End all containers, sidecars last and in reverse order, then the sandboxes. Raises CriError."""
    sidecars = [c["name"] for c in pod["spec"].get("initContainers", ()) if naming.is_sidecar(c)]
    started = tools.env.clock.monotonic()
    await _kill_all(tools, pod, [c for c in state.running if c.name not in sidecars], grace)
    for name in reversed(sidecars):
        left = max(0, grace - int(tools.env.clock.monotonic() - started))
        await _kill_all(tools, pod, [c for c in state.running if c.name == name], left)
    for sandbox in state.sandboxes:
        if sandbox.ready:
            await tools.runtime.stop_sandbox(sandbox.id)


async def _kill_all(tools: Tools, pod: Object, containers: Sequence[Container], grace: int) -> None:
    async with TaskGroup("kill") as group:
        for container in containers:
            group.start(kill_container(tools, pod, container, "", grace=grace), container.name)


async def remove_pod(tools: Tools, state: PodState) -> None:
    """Forget containers and sandboxes in the runtime. Errors are left to the next clean-up."""
    for container in state.containers:
        try:
            await tools.runtime.remove_container(container.id)
        except CriError as error:
            _log.info("A container could not be removed", id=container.id, err=error)
    for sandbox in state.sandboxes:
        try:
            await tools.runtime.stop_sandbox(sandbox.id)
            await tools.runtime.remove_sandbox(sandbox.id)
        except CriError as error:
            _log.info("A sandbox could not be removed", id=sandbox.id, err=error)
