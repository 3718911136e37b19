# SPDX-License-Identifier: Apache-2.0
"""The kube-dns Service: pods ask its address, and the proxy leads them to a node's own listener."""

import json
from importlib import resources

from pybernetes.apimachinery.errors import ApiError, forgiving
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
    made = _objects()["service"]
    made["spec"]["clusterIP"] = config.service_ip
    return made


def slice_name(config: DnsConfig) -> str:
    return f"{NAME}-{config.node_name}"


def endpoint_slice(config: DnsConfig, port: int, owners: list[Object]) -> Object:
    """This node's listener as an EndpointSlice of the Service. It goes when its node goes."""
    made = _objects()["slice"]
    made["metadata"] |= {"name": slice_name(config), "ownerReferences": owners}
    ready = {"ready": True, "serving": True, "terminating": False}
    place = {"addresses": [config.address], "nodeName": config.node_name}
    made["endpoints"] = [{**place, "conditions": ready}]
    ports = (
        ("dns", port, "UDP"),
        ("dns-tcp", port, "TCP"),
        ("metrics", config.metrics_port, "TCP"),
    )
    made["ports"] = [
        {"name": name, "port": number, "protocol": protocol}
        for name, number, protocol in ports
        if number
    ]
    return made


def _objects() -> dict[str, Object]:
    text = resources.files("pybernetes.dns").joinpath("kube-dns.json").read_text()
    made: dict[str, Object] = json.loads(text)
    return made


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
    with forgiving("AlreadyExists"):
        await client.create(gvr, obj, NAMESPACE)
        return True
    return False
