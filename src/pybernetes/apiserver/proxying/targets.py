# SPDX-License-Identifier: Apache-2.0
"""Where pods/NAME/proxy, services/NAME/proxy and nodes/NAME/proxy lead.

NAME may be name, name:port or scheme:name:port. Source: upstream's ResourceLocation functions in
pkg/registry/core/{pod,service,node} and k8s.io/apiserver/pkg/util/proxy.
"""

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pybernetes.apimachinery.errors import ApiError, bad_request, service_unavailable
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.core.pod.status import pod_ip, pod_ips
from pybernetes.apiserver.reading import NODES, PODS, SERVICES
from pybernetes.base.random import Random

SLICES = GVR("discovery.k8s.io", "v1", "endpointslices")
_SERVICE_LABEL = "kubernetes.io/service-name"

GetObject = Callable[[GVR, str, str], Object]
"""An object by resource, namespace and name. Raises ApiError 404."""
ListObjects = Callable[[GVR, str], Iterable[Object]]
"""The objects of a resource in a namespace."""


@dataclass(frozen=True, slots=True)
class Target:
    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"


def split_name(text: str, kind: str) -> tuple[str, str, str]:
    """(scheme, name, port) of a proxy's NAME. Raises ApiError 400."""
    parts = text.split(":")
    scheme, name, port = "", parts[0], ""
    if len(parts) == 2:
        name, port = parts
    elif len(parts) == 3:
        scheme, name, port = parts
    if len(parts) > 3 or not name or scheme not in {"", "http", "https"}:
        raise bad_request(f'invalid {kind} request "{text}"')
    return scheme, name, port


def _number(port: str, scheme: str) -> int:
    if not port:
        return 443 if scheme == "https" else 80
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise bad_request(f'invalid port "{port}"')
    return int(port)


def allowed(address: str) -> bool:
    """Go's IsGlobalUnicast: not this machine, this link, or many."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return not (ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified)


def check_runs(get: GetObject, pod: Object) -> None:
    """Addresses of pods on hollow nodes lead nowhere, or off this machine. Raises ApiError 503."""
    name = pod["spec"].get("nodeName", "")
    try:
        info = (get(NODES, "", name).get("status") or {}).get("nodeInfo") or {}
    except ApiError:
        return
    if str(info.get("containerRuntimeVersion", "")).startswith("hollow:"):
        detail = f"node {name} is hollow, pod {pod['metadata']['name']} runs nothing"
        raise service_unavailable(f"error trying to reach service: {detail}")


def pod_target(get: GetObject, namespace: str, text: str) -> Target:
    scheme, name, port = split_name(text, "pod")
    pod = get(PODS, namespace, name)
    if not port:
        declared = (p for c in pod["spec"].get("containers") or () for p in c.get("ports") or ())
        first = next(declared, None)
        port = str(first["containerPort"]) if first else ""
    address = pod_ip(pod)
    if not allowed(address):
        raise bad_request("address not allowed")
    check_runs(get, pod)
    return Target(scheme or "http", address, _number(port, scheme))


def node_target(text: str, address: str, kubelet_port: int) -> Target | None:
    """Another port of a node; None: its kubelet is meant."""
    scheme, _, port = split_name(text, "node")
    if not port or port == str(kubelet_port):
        return None
    if not allowed(address):
        raise bad_request("address not allowed")
    return Target(scheme or "http", address, _number(port, scheme))


class ServiceTargets:
    """Finds a ready endpoint behind a service, starting at a random one."""

    def __init__(self, random: Random, get: GetObject, list_objects: ListObjects) -> None:
        self._random = random
        self._get = get
        self._list = list_objects

    def find(self, namespace: str, text: str) -> Target:
        """Raises ApiError 400, 404 or 503."""
        scheme, name, port = split_name(text, "service")
        if port.isdigit():
            port = self._port_name(namespace, name, int(port))
        slices = [
            item
            for item in self._list(SLICES, namespace)
            if (item["metadata"].get("labels") or {}).get(_SERVICE_LABEL) == name
        ]
        for item in self._shuffled(slices):
            for declared in item.get("ports") or ():
                if (declared.get("name") or "") != port or not declared.get("port"):
                    continue
                address = self._ready(namespace, item.get("endpoints") or ())
                if address:
                    return Target(scheme or "http", address, declared["port"])
        raise service_unavailable(f'no endpoints available for service "{name}"')

    def _port_name(self, namespace: str, name: str, number: int) -> str:
        service = self._get(SERVICES, namespace, name)
        for port in service["spec"].get("ports") or ():
            if port["port"] == number:
                return str(port.get("name") or "")
        raise service_unavailable(f'no service port {number} found for service "{name}"')

    def _shuffled(self, items: Iterable[Object]) -> Iterator[Object]:
        left = list(items)
        while left:
            yield left.pop(self._random.below(len(left)))

    def _ready(self, namespace: str, endpoints: Iterable[Object]) -> str:
        for endpoint in self._shuffled(endpoints):
            ready = (endpoint.get("conditions") or {}).get("ready")
            addresses = endpoint.get("addresses") or ()
            if ready is not False and addresses and self._is_pod(namespace, endpoint):
                return str(addresses[0])
        return ""

    def _is_pod(self, namespace: str, endpoint: Object) -> bool:
        """Only addresses that belong to the pod they claim are reached."""
        target = endpoint.get("targetRef") or {}
        if target.get("namespace") != namespace:
            return False
        try:
            pod = self._get(PODS, namespace, target.get("name", ""))
        except ApiError:
            return False
        if endpoint["addresses"][0] not in pod_ips(pod):  # the one that is dialled
            return False
        check_runs(self._get, pod)
        return True
