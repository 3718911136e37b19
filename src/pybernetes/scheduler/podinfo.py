# SPDX-License-Identifier: Apache-2.0
"""PodInfo: a pod as the scheduler reads it, computed once; pods of one template share the Template."""

from dataclasses import dataclass
from typing import Any

import orjson

from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.pod import hostports
from pybernetes.apis.core.pod.requests import pod_requests

DEFAULT_CPU = 100  # millicores: what scoring assumes of a container that requests no CPU
DEFAULT_MEMORY = 200 * 1024 * 1024  # bytes, likewise


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """What decides where a pod may go. Equal pods share one object, so identity is equality."""

    signature: bytes
    requests: dict[str, int]  # milli-CPU, bytes, counts; "pods" is not among them
    scored_cpu: int
    scored_memory: int
    choice: Object  # of nodes: what there is of a spec's nodeSelector and affinity.nodeAffinity
    tolerations: list[Object]
    host_ports: tuple[hostports.HostPort, ...]


@dataclass(frozen=True, slots=True)
class PodInfo:
    """One pod: who it is and its template."""

    namespace: str
    name: str
    uid: str
    priority: int
    node_name: str  # spec.nodeName, "" while pending
    template: Template

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


class Templates:
    """Makes PodInfos; keeps one Template per distinct signature (bounded)."""

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._known: dict[bytes, Template] = {}

    def info(self, pod: Object) -> PodInfo:
        """The PodInfo of a Pod object (which is not kept)."""
        spec = pod["spec"]
        signature = _signature(spec)
        template = self._known.get(signature)
        if template is None:
            if len(self._known) >= self._limit:
                self._known.clear()
            template = self._known[signature] = _template(spec, signature)
        meta = pod["metadata"]
        priority, node = spec.get("priority", 0), spec.get("nodeName", "")
        return PodInfo(meta["namespace"], meta["name"], meta["uid"], priority, node, template)


def _signature(spec: Object) -> bytes:
    containers = [_container_part(item) for item in spec.get("containers", ())]
    init = [_container_part(item) for item in spec.get("initContainers", ())]
    parts = (
        containers,
        init,
        spec.get("resources"),
        spec.get("overhead"),
        spec.get("nodeSelector"),
        (spec.get("affinity") or {}).get("nodeAffinity"),
        spec.get("tolerations"),
        spec.get("hostNetwork"),
    )
    return orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)


def _container_part(container: Object) -> tuple[Any, ...]:
    resources = container.get("resources") or {}
    ports = [port for port in container.get("ports", ()) if port.get("hostPort")]
    return (
        resources.get("requests"),
        resources.get("limits"),
        ports,
        container.get("restartPolicy"),
    )


def _template(spec: Object, signature: bytes) -> Template:
    requests = pod_requests({"spec": spec})
    scored = pod_requests({"spec": _with_assumed_requests(spec)})
    return Template(
        signature=signature,
        requests={name: amount for name, amount in requests.items() if amount},
        scored_cpu=scored.get("cpu", 0),
        scored_memory=scored.get("memory", 0),
        choice=_choice(spec),
        tolerations=spec.get("tolerations") or [],
        host_ports=tuple(hostports.of(spec)),
    )


def _choice(spec: Object) -> Object:
    selector, affinity = spec.get("nodeSelector"), (spec.get("affinity") or {}).get("nodeAffinity")
    chosen = {"nodeSelector": selector} if selector else {}
    return chosen | ({"affinity": {"nodeAffinity": affinity}} if affinity else {})


def _with_assumed_requests(spec: Object) -> Object:
    """`spec` with the scoring defaults where a container requests no CPU or no memory."""

    def fill(container: Object) -> Object:
        resources = container.get("resources") or {}
        assumed = {"cpu": f"{DEFAULT_CPU}m", "memory": str(DEFAULT_MEMORY)}
        requests = assumed | (resources.get("requests") or {})
        return {**container, "resources": {**resources, "requests": requests}}

    filled = {**spec, "containers": [fill(item) for item in spec.get("containers", ())]}
    if spec.get("initContainers"):
        filled["initContainers"] = [fill(item) for item in spec["initContainers"]]
    return filled
