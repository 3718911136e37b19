# SPDX-License-Identifier: Apache-2.0
"""The Node object: what to register and what its status says. Pure."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.types import Object
from pybernetes.cri.types import Image, Version
from pybernetes.kubelet.config import VERSION, Config
from pybernetes.kubelet.node.machine import Machine

MAX_IMAGES = 50
_KEPT_FREE = {"memory": "memory.available", "ephemeral-storage": "nodefs.available"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the status depends on. `trouble` "" or why the runtime or its network is not ready."""

    now: str
    version: Version
    images: Sequence[Image] = ()
    trouble: str = ""
    pressure: Sequence[str] = ()  # conditions that are true


def registration(config: Config, machine: Machine) -> Object:
    """The Node to create, without status."""
    labels = {
        "beta.kubernetes.io/arch": machine.architecture,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": machine.architecture,
        "kubernetes.io/hostname": config.node_name,
        "kubernetes.io/os": "linux",
        **config.node_labels,
    }
    spec: Object = {}
    if config.register_with_taints:
        spec["taints"] = [dict(taint) for taint in config.register_with_taints]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": config.node_name,
            "labels": labels,
            "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
        },
        "spec": spec,
    }


def expected(config: Config, machine: Machine) -> Object:
    """The Node as far as pods need it while it is not registered."""
    usable = allocatable(config, capacity(config, machine))
    return {**registration(config, machine), "status": {"allocatable": usable}}


def capacity(config: Config, machine: Machine) -> dict[str, str]:
    measured = {
        "cpu": str(machine.cpus),
        "ephemeral-storage": f"{machine.disk >> 10}Ki",
        **{
            f"hugepages-{size}": str(quantity.from_int(amount, "BinarySI"))
            for size, amount in machine.hugepages.items()
        },
        "memory": f"{machine.memory >> 10}Ki",
        "pods": str(config.max_pods),
    }
    return measured | dict(config.capacity)


def amount(text: str, capacity: int) -> int:
    """An eviction threshold's value ("100Mi", "10%") as units."""
    if text.endswith("%"):
        return int(capacity * float(text[:-1]) / 100)
    return quantity.parse(text).to_int()


def allocatable(config: Config, total: Mapping[str, str]) -> dict[str, str]:
    """Capacity less what hard eviction keeps free."""
    result = {}
    for name, text in total.items():
        left = quantity.parse(text)
        signal = _KEPT_FREE.get(name)
        if signal and config.eviction_hard.get(signal):
            free = amount(config.eviction_hard[signal], quantity.parse(text).to_int())
            left -= quantity.from_int(free, "BinarySI")
        if name == "memory":  # huge pages are nobody's memory
            pages = [quantity.parse(t) for n, t in total.items() if n.startswith("hugepages-")]
            left -= sum(pages, quantity.from_int(0, "BinarySI"))
        result[name] = str(max(left, quantity.parse("0")))
    return result


def status(old: Object, config: Config, machine: Machine, facts: Facts) -> Object:
    """The whole status; unknown capacity keys of `old` (extended resources) stay."""
    before = old.get("status") or {}
    total = capacity(config, machine)
    usable = allocatable(config, total)
    extra_total = {k: v for k, v in (before.get("capacity") or {}).items() if k not in total}
    extra_usable = {k: v for k, v in (before.get("allocatable") or {}).items() if k not in usable}
    extra_usable = {**extra_total, **extra_usable}
    result: Object = copy.deepcopy(before)
    result.update(
        addresses=_addresses(config),
        allocatable=usable | extra_usable,
        capacity=total | extra_total,
        conditions=_conditions(before, facts),
        daemonEndpoints={"kubeletEndpoint": {"Port": config.port}},
        images=_images(facts.images),
        nodeInfo={
            "architecture": machine.architecture,
            "bootID": machine.boot_id,
            "containerRuntimeVersion": f"{facts.version.name}://{facts.version.version}",
            "kernelVersion": machine.kernel,
            "kubeProxyVersion": "",
            "kubeletVersion": VERSION,
            "machineID": machine.machine_id,
            "operatingSystem": "linux",
            "osImage": machine.os_image,
            "systemUUID": machine.system_uuid,
        },
    )
    if not result["images"]:
        result.pop("images")
    return result


def _addresses(config: Config) -> list[Object]:
    found = [{"type": "InternalIP", "address": ip} for ip in config.node_ips]
    return [*found, {"type": "Hostname", "address": config.node_name}]


_PRESSURE = {  # condition -> (reason, message) while it is false, and while it is true
    "MemoryPressure": (
        ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    ),
    "DiskPressure": (
        ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("KubeletHasDiskPressure", "kubelet has disk pressure"),
    ),
    "PIDPressure": (
        ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
    ),
}


def _conditions(before: Object, facts: Facts) -> list[Object]:
    old = {item["type"]: item for item in before.get("conditions", ())}
    rows = []
    for type_, texts in _PRESSURE.items():
        bad = type_ in facts.pressure
        rows.append((type_, str(bad), *texts[bad]))
    if facts.trouble:
        rows.append(("Ready", "False", "KubeletNotReady", facts.trouble))
    else:
        rows.append(("Ready", "True", "KubeletReady", "kubelet is posting ready status"))
    result = []
    for type_, value, reason, message in rows:
        known = old.pop(type_, {})
        same = known.get("status") == value and known.get("lastTransitionTime")
        result.append(
            {
                "type": type_,
                "status": value,
                "lastHeartbeatTime": facts.now,
                "lastTransitionTime": known["lastTransitionTime"] if same else facts.now,
                "reason": reason,
                "message": message,
            }
        )
    return list(old.values()) + result  # Ready stays last, as upstream keeps it


def events(old: Object, new: Object) -> list[str]:
    """Reasons of the events that tell how conditions changed."""
    before = {c["type"]: c["status"] for c in old.get("conditions", ())}
    changed_ = [c for c in new["conditions"] if before.get(c["type"]) != c["status"]]
    ready = {"True": "NodeReady", "False": "NodeNotReady"}
    return [
        ready[c["status"]] if c["type"] == "Ready" else c["reason"].replace("Kubelet", "Node")
        for c in changed_
        if c["type"] in _PRESSURE or (c["type"] == "Ready" and "Ready" in before)
    ]


def _images(images: Sequence[Image]) -> list[Object]:
    ordered = sorted(images, key=lambda item: (-item.size, item.id))[:MAX_IMAGES]
    return [
        {"names": [*item.digests, *item.tags], **({"sizeBytes": item.size} if item.size else {})}
        for item in ordered
        if item.digests or item.tags
    ]


def changed(old: Object, new: Object) -> bool:
    """Whether a status differs in more than heartbeats (which wait for the report interval)."""
    return _plain(old) != _plain(new)


def _plain(status_: Object) -> Object:
    conditions = [
        {key: value for key, value in item.items() if key != "lastHeartbeatTime"}
        for item in status_.get("conditions", ())
    ]
    return {**status_, "conditions": conditions}
