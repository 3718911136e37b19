# SPDX-License-Identifier: Apache-2.0
"""Services and the pods behind them: what the controllers of Endpoints and EndpointSlices share."""

import ipaddress
from collections.abc import Callable

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.pod.status import is_finished, is_ready, pod_ips
from pybernetes.client.informer import BY_NAMESPACE, Informer

HEADLESS_LABEL = "service.kubernetes.io/headless"


def has_selector(service: Object) -> bool:
    """Services without one have hand-made endpoints; ExternalName ones have none."""
    spec = service["spec"]
    return bool(spec.get("selector")) and spec.get("type") != "ExternalName"


def is_headless(service: Object) -> bool:
    return bool(service["spec"].get("clusterIP") == "None")


def pods_of(service: Object, pods: Informer) -> list[Object]:
    """The pods that the service selects, by name."""
    wanted = service["spec"]["selector"].items()
    found = [
        pod
        for pod in pods.by_index(BY_NAMESPACE, meta.namespace(service))
        if wanted <= meta.labels(pod).items()
    ]
    return sorted(found, key=meta.name)


def follow(services: Informer, pods: Informer, add: Callable[[str], None]) -> None:
    """Queue (as namespace/name) every service that changes or whose pods do."""

    def pod_changed(old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None and view(old) == view(new):
            return
        for service in services.by_index(BY_NAMESPACE, meta.namespace(new or old or {})):
            if has_selector(service) and any(
                pod is not None and service["spec"]["selector"].items() <= meta.labels(pod).items()
                for pod in (old, new)
            ):
                add(meta.key(service))

    services.on_change(lambda old, new: add(meta.key(new or old or {})))
    pods.on_change(pod_changed)


def view(pod: Object) -> tuple[object, ...]:
    """All of a pod that its services care about."""
    spec = pod["spec"]
    return (
        meta.labels(pod),
        meta.is_deleting(pod),
        is_finished(pod),
        is_ready(pod),
        pod_ips(pod),
        spec.get("nodeName"),
        spec.get("hostname"),
        spec.get("subdomain"),
    )


def address_of(pod: Object, family: str) -> str:
    """The pod's first address of a family ("IPv4", "IPv6"); "" if it has none."""
    version = 6 if family == "IPv6" else 4
    return next((ip for ip in pod_ips(pod) if ipaddress.ip_address(ip).version == version), "")


def hostname(pod: Object, service: Object) -> str:
    """The pod's own name below the service's DNS name, if it has one."""
    spec = pod["spec"]
    named = spec.get("hostname") and spec.get("subdomain") == meta.name(service)
    return str(spec["hostname"]) if named else ""


def resolve_port(pod: Object, port: Object) -> int | None:
    """The number of a service port on this pod; None if the pod does not have it."""
    target = port.get("targetPort") or port["port"]
    if not isinstance(target, str):
        return int(target)
    spec = pod["spec"]
    sidecars = [
        one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always"
    ]
    protocol = port.get("protocol", "TCP")
    for container in [*(spec.get("containers") or ()), *sidecars]:
        for one in container.get("ports") or ():
            if one.get("name") == target and one.get("protocol", "TCP") == protocol:
                return int(one["containerPort"])
    return None


def endpoint_ports(pod: Object, service: Object) -> list[Object] | None:
    """The service's ports on this pod, those it has; None if it has none of them."""
    listed = service["spec"].get("ports") or []
    if not listed:
        return [] if is_headless(service) else None
    result = []
    for port in listed:
        number = resolve_port(pod, port)
        if number is not None:
            result.append(endpoint_port(port, number))
    return result or None


def endpoint_port(port: Object, number: int) -> Object:
    """A service's port as its endpoints have it: keys in one order, since it is compared as text."""
    entry = {"name": port.get("name", ""), "port": number, "protocol": port.get("protocol", "TCP")}
    return entry | ({"appProtocol": port["appProtocol"]} if port.get("appProtocol") else {})


def place_of(pod: Object, service: Object) -> Object:
    """What endpoints and addresses say of their pod: which, on which node, by which name."""
    reference = {
        "kind": "Pod",
        "namespace": meta.namespace(pod),
        "name": meta.name(pod),
        "uid": meta.uid(pod),
    }
    node, own = pod["spec"].get("nodeName"), hostname(pod, service)
    place: Object = {"targetRef": reference, "nodeName": node, "hostname": own}
    return {key: value for key, value in place.items() if value}
