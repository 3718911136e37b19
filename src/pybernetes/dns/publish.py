# SPDX-License-Identifier: Apache-2.0
"""The kube-dns Service: pods ask its address, and the proxy leads them to a node's own listener."""

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.client.types import Client
from pybernetes.dns.config import DnsConfig

NAMESPACE = "kube-system"
NAME = "kube-dns"
_SERVICES = GVR("", "v1", "services")
_SLICES = GVR("discovery.k8s.io", "v1", "endpointslices")
_NODES = GVR("", "v1", "nodes")


def service(config: DnsConfig) -> Object:
    """The Service; without a selector, since its endpoints are the nodes' listeners."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": NAME,
            "namespace": NAMESPACE,
            "labels": {"k8s-app": NAME, "kubernetes.io/name": "CoreDNS"},
        },
        "spec": {
            "clusterIP": config.service_ip,
            "internalTrafficPolicy": "Local",
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
                {"name": "metrics", "port": 9153, "protocol": "TCP", "targetPort": 9153},
            ],
        },
    }


def slice_name(config: DnsConfig) -> str:
    return f"{NAME}-{config.node_name}"


def endpoint_slice(config: DnsConfig, port: int, owners: list[Object]) -> Object:
    """This node's listener as an EndpointSlice of the Service. It goes when its node goes."""
    metrics = [config.metrics_port] if config.metrics_port else []
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": slice_name(config),
            "namespace": NAMESPACE,
            "ownerReferences": owners,
            "labels": {
                "kubernetes.io/service-name": NAME,
                "endpointslice.kubernetes.io/managed-by": "pybernetes-dns",
            },
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": [config.address],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "nodeName": config.node_name,
            }
        ],
        "ports": [
            {"name": "dns", "port": port, "protocol": "UDP"},
            {"name": "dns-tcp", "port": port, "protocol": "TCP"},
            *({"name": "metrics", "port": number, "protocol": "TCP"} for number in metrics),
        ],
    }


async def publish(client: Client, config: DnsConfig, port: int, *, again: bool) -> None:
    """Create the Service if it is missing, and bring this node's EndpointSlice up to date.

    `again`: it was there and went, maybe with its node: only once that is back. Raises ApiError.
    """
    owners = []
    try:
        node = await client.get(_NODES, config.node_name)
        uid = node["metadata"]["uid"]
        owners.append({"apiVersion": "v1", "kind": "Node", "name": config.node_name, "uid": uid})
    except ApiError as error:  # a DNS that runs elsewhere, or may not read nodes
        if again and error.code == 404:
            raise
    await _create(client, _SERVICES, service(config))
    wanted = endpoint_slice(config, port, owners)
    if not await _create(client, _SLICES, wanted):
        change = {key: wanted[key] for key in ("endpoints", "ports")}
        change["metadata"] = {"ownerReferences": owners}
        await client.patch(_SLICES, slice_name(config), change, NAMESPACE)


async def _create(client: Client, gvr: GVR, obj: Object) -> bool:
    try:
        await client.create(gvr, obj, NAMESPACE)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
        return False
    return True
