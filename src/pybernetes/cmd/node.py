# SPDX-License-Identifier: Apache-2.0
"""A real node: containerd, pod network, service proxy, DNS, kubelet. On this host, or in a lab."""

import asyncio
import ssl
from dataclasses import dataclass, replace

from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.informer import Informers
from pybernetes.cmd import addons
from pybernetes.cmd.config import ClusterConfig
from pybernetes.cmd.identities import PROXY, ClientFor, node_user
from pybernetes.cmd.labconfig import LabNode
from pybernetes.cmd.labmachine import LabMachine
from pybernetes.cri.containerd import Containerd
from pybernetes.dns.config import DnsConfig
from pybernetes.dns.server import Dns
from pybernetes.images import builtin, mirror
from pybernetes.kubelet.config import Config as KubeletConfig
from pybernetes.kubelet.kubelet import Kubelet
from pybernetes.machine import disk
from pybernetes.machine.config import Config as MachineConfig
from pybernetes.machine.containerd import PrivateContainerd
from pybernetes.network.config import NetworkConfig
from pybernetes.network.network import Network
from pybernetes.proxy.config import ProxyConfig
from pybernetes.proxy.proxy import Proxy
from pybernetes.wire.server import serve

SHUT_DOWN_GRACE = (30.0, 10.0)  # seconds for all pods, and of these for critical ones


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """What each agent of a node is told."""

    machine: MachineConfig
    network: NetworkConfig
    proxy: ProxyConfig
    dns: DnsConfig
    kubelet: KubeletConfig


def node_config(config: ClusterConfig, node: LabNode | None = None) -> NodeConfig:
    """What the agents of a lab's `node` are told; None: of the only node, in the host's namespaces.

    There the names of its bridge and nftables tables have to be unique.
    """
    data, cgroup = config.node_dir, config.cgroup_root
    bridge, tables = config.bridge, f"pybernetes-{config.slug}"
    if in_lab := node is not None:
        data, cgroup = (place := LabMachine(config, node.name)).folder, place.cgroup
        bridge, tables = "cni0", "pybernetes"
    node = node or LabNode(config.node_name, address=config.gateway)
    machine = MachineConfig(data=data)
    return NodeConfig(
        machine=machine,
        network=NetworkConfig(
            node_name=node.name,
            cni_conf_dir=machine.cni_conf,
            cni_state_dir=data / "cni",
            bridge=bridge,
            table=f"{tables}-network",
            segment=in_lab,
            cluster_cidr=config.cluster_cidr,
            service_cidr=config.service_cidr,
        ),
        proxy=ProxyConfig(
            node.name,
            table=f"{tables}-proxy",
            cluster_cidr=config.cluster_cidr,
            service_cidr=config.service_cidr,
            health_address=node.address,
        ),
        dns=DnsConfig(
            node.name,
            node.address,
            service_ip=config.dns_ip,
            domain=config.domain,
            clients=(config.cluster_cidr,),
        ),
        kubelet=KubeletConfig(
            node_name=node.name,
            data=data / "kubelet",
            node_ips=(node.address,),
            port=config.kubelet_port,
            cluster_dns=(config.dns_ip,),
            cluster_domain=config.domain,
            cni_conf_dir=machine.cni_conf,
            cgroup_root=cgroup,
            node_cgroup=cgroup if in_lab else "",
            node_labels=node.own_labels,
            register_with_taints=node.all_taints,
            capacity=node.capacity,
            static_pod_path=disk.MANIFESTS
            if in_lab and disk.is_own("/etc")
            else data / "manifests",
        ),
    )


def _on_shared_disk(config: KubeletConfig) -> KubeletConfig:
    """The disk serves whatever else the machine does: its filling is not ours to mend early.

    Images that were loaded by hand would not come back either.
    """
    limits = {"memory.available": "100Mi", "nodefs.available": "512Mi"}
    return replace(config, eviction_hard=limits)


class RealNode:
    """`run` until cancelled. Containers outlive it, so that a restarted node finds them again.

    `context`: what the kubelet serves with. The agents share `informers` where they are given.
    """

    def __init__(
        self,
        env: Env,
        client_for: ClientFor,
        config: NodeConfig,
        *,
        context: ssl.SSLContext,
        informers: Informers | None = None,
    ) -> None:
        self._env, self._config, self._context = env, config, context
        self._containerd = PrivateContainerd(env, config.machine)
        self._runtime = Containerd(self._containerd.socket)
        client = client_for(node_user(config.kubelet.node_name))
        self._informers = informers
        self._network = Network(env, client, config.network, informers)
        self._proxy = Proxy(env, client_for(PROXY), config.proxy, informers)
        self._dns = Dns(env, client_for(addons.dns_user()), config.dns, informers)
        self.kubelet = Kubelet(
            env, client, self._runtime, _on_shared_disk(config.kubelet), informers=informers
        )
        self.network_ready = asyncio.Event()

    async def run(self) -> None:
        config = self._config
        await self._containerd.start()
        async with TaskGroup("node") as group:
            if self._informers is not None:
                group.start(self._informers.run(), "informers")
            group.start(self._containerd.keep(), "containerd")
            group.start(self._network.run(), "network")
            group.start(self._proxy.run(), "proxy")
            await builtin.ensure(self._runtime, self._containerd.socket, config.machine.data)
            group.start(self.kubelet.run(), "kubelet")
            images = await mirror.start(self._env, self._containerd.socket, config.machine.certs)
            await self._network.wait_ready()
            self.network_ready.set()
            group.start(self._dns.run(), "dns")
            listener = await serve(
                self._env,
                self.kubelet.handler,
                config.kubelet.node_ips,
                config.kubelet.port,
                ssl_context=self._context,
            )
            try:
                await asyncio.get_running_loop().create_future()  # until cancelled
            finally:
                await listener.close()
                await images.close()
                await self._runtime.close()
