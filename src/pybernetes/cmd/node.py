# SPDX-License-Identifier: Apache-2.0
"""A real node on this host: containerd, pod network, service proxy, DNS, kubelet."""

import asyncio

from pybernetes.base import tls
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.cmd import addons
from pybernetes.cmd.config import ClusterConfig
from pybernetes.cmd.identities import PROXY, ClientFor, node_user
from pybernetes.cmd.pki import Pki
from pybernetes.cri.containerd import Containerd
from pybernetes.dns.config import DnsConfig
from pybernetes.dns.server import Dns
from pybernetes.images import builtin
from pybernetes.kubelet.config import Config as KubeletConfig
from pybernetes.kubelet.kubelet import Kubelet
from pybernetes.machine.config import Config as MachineConfig
from pybernetes.machine.containerd import PrivateContainerd
from pybernetes.network.config import NetworkConfig
from pybernetes.network.network import Network, check_free
from pybernetes.proxy.config import ProxyConfig
from pybernetes.proxy.proxy import Proxy
from pybernetes.wire.server import serve


def machine_config(config: ClusterConfig) -> MachineConfig:
    return MachineConfig(data=config.node_dir)


def network_config(config: ClusterConfig) -> NetworkConfig:
    return NetworkConfig(
        node_name=config.node_name,
        cni_conf_dir=machine_config(config).cni_conf,
        cni_state_dir=config.node_dir / "cni",
        cluster_cidr=config.cluster_cidr,
        service_cidr=config.service_cidr,
        bridge=config.bridge,
        table=f"pybernetes-{config.slug}-network",
    )


def proxy_config(config: ClusterConfig) -> ProxyConfig:
    return ProxyConfig(
        node_name=config.node_name,
        table=f"pybernetes-{config.slug}-proxy",
        cluster_cidr=config.cluster_cidr,
        service_cidr=config.service_cidr,
        health_address=config.gateway,
    )


def kubelet_config(config: ClusterConfig) -> KubeletConfig:
    return KubeletConfig(
        node_name=config.node_name,
        data=config.node_dir / "kubelet",
        node_ips=(config.gateway,),
        port=config.kubelet_port,
        cluster_dns=(config.dns_ip,),
        cluster_domain=config.domain,
        cni_conf_dir=machine_config(config).cni_conf,
        cgroup_root=config.cgroup_root,
    )


class RealNode:
    """`run` until cancelled. Containers outlive it, so that a restarted node finds them again."""

    def __init__(self, env: Env, client_for: ClientFor, config: ClusterConfig, pki: Pki) -> None:
        self._env = env
        self._config = config
        self._pki = pki
        self._containerd = PrivateContainerd(env, machine_config(config))
        self._runtime = Containerd(self._containerd.socket)
        client = client_for(node_user(config.node_name))
        self._network = Network(env, client, network_config(config))
        self._proxy = Proxy(env, client_for(PROXY), proxy_config(config))
        dns = DnsConfig(
            node_name=config.node_name,
            address=config.gateway,
            service_ip=config.dns_ip,
            domain=config.domain,
        )
        self._dns = Dns(env, client_for(addons.dns_user()), dns)
        self.kubelet = Kubelet(env, client, self._runtime, kubelet_config(config))
        self.network_ready = asyncio.Event()

    async def run(self) -> None:
        await check_free(network_config(self._config))
        await self._containerd.start()
        async with TaskGroup("node") as group:
            group.start(self._network.run(), "network")
            group.start(self._proxy.run(), "proxy")
            await builtin.ensure(self._runtime, self._containerd.socket, self._config.node_dir)
            group.start(self.kubelet.run(), "kubelet")
            await self._network.wait_ready()
            self.network_ready.set()
            group.start(self._dns.run(), "dns")
            listener = await serve(
                self._env,
                self.kubelet.handler,
                self._config.gateway,
                self._config.kubelet_port,
                ssl_context=tls.server_context(self._pki.kubelet),
                client_ca=self._pki.ca.certificate.decode(),
            )
            try:
                await asyncio.get_running_loop().create_future()  # until cancelled
            finally:
                await listener.close()
                await self._runtime.close()
