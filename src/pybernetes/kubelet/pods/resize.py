# SPDX-License-Identifier: Apache-2.0
"""In-place resize: running containers whose resources changed get new cgroup values."""

from pybernetes.cri.types import CriError
from pybernetes.kubelet import naming
from pybernetes.kubelet.containers import resources
from pybernetes.kubelet.pods import podcgroup
from pybernetes.kubelet.pods.record import Record
from pybernetes.kubelet.pods.tools import Tools
from pybernetes.kubelet.podstate import PodState


async def apply(tools: Tools, record: Record, state: PodState) -> None:
    """Bring cgroups in line with the spec (a no-op most of the time)."""
    pod, changed = record.pod, False
    for spec in naming.containers_of(pod):
        name, wanted = spec["name"], spec.get("resources") or {}
        running = state.active(name)
        if running is None or running.state != "running":
            continue
        if record.resources.setdefault(name, wanted) == wanted:
            continue
        linux = resources.linux(pod, spec, tools.memory_capacity)
        try:
            if not changed and not tools.runtime.hollow:
                await tools.env.offload.run(podcgroup.create, tools.config, pod)
            await tools.runtime.update_resources(running.id, linux)
        except CriError as error:
            message = f"Error resizing container {name}: {error}"
            tools.recorder.event(pod, "Warning", "ResizeError", message)
            return
        record.resources[name] = wanted
        changed = True
    if changed:
        if not tools.runtime.hollow:  # once more: what shrinks, shrinks after its containers
            await tools.env.offload.run(podcgroup.create, tools.config, pod)
        tools.recorder.event(pod, "Normal", "ResizeCompleted", "Pod resize completed")
        record.dirty = True
