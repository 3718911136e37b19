# SPDX-License-Identifier: Apache-2.0
"""A node's certificates, from the bootstrap token to the renewal, over real TLS."""

import asyncio
import base64
import contextlib
import dataclasses
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR
from pybernetes.base import tls
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.kubeconfig import ClusterConfig as Access
from pybernetes.cmd import addons, node_certificates, pki
from pybernetes.cmd.all_in_one import api_config, serve_api
from pybernetes.cmd.config import ClusterConfig
from pybernetes.cmd.control_plane import ControlPlane, ControlPlaneConfig
from pybernetes.cmd.labconfig import LabConfig, LabNode
from pybernetes.cmd.labjoin import NODES, Joining
from pybernetes.cmd.node_certificates import NodeCertificates
from pybernetes.cmd.nodes import Nodes
from pybernetes.controllers.config import ControllersConfig
from pybernetes.storage.memory import MemoryStore

REQUESTS = GVR("certificates.k8s.io", "v1", "certificatesigningrequests")
W1 = LabNode("w1", address="192.168.100.10")
LAB = LabConfig("192.168.100.0/24", [W1])


@dataclasses.dataclass
class Cluster:
    """A control plane that nodes can reach, and what node w1 knows of them."""

    env: Env
    plane: ControlPlane
    access: Access
    keys: pki.Pki

    def certificates(self, folder: Path) -> NodeCertificates:
        return NodeCertificates(self.env, self.access, W1, folder)


@contextlib.asynccontextmanager
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    env = Env()
    config = ClusterConfig(tmp_path, lab=LAB)
    keys = pki.ensure(config, env.clock)
    controllers = ControllersConfig(
        root_ca=keys.ca.certificate.decode(), signing_ca=keys.ca, approve_kubelet_serving=True
    )
    plane = ControlPlane(
        env,
        MemoryStore(env),
        Nodes(env, None),
        ControlPlaneConfig(api=api_config(config, keys, 0), controllers=controllers),
    )
    async with TaskGroup("test") as group:
        group.start(plane.run(), "plane")
        await plane.wait_ready()
        await addons.ensure(plane.client())
        server = await serve_api(env, plane.api.handler, keys, port=0)
        joining = Joining(env, plane.client())
        await joining.introduce(W1)
        url, token = f"https://127.0.0.1:{server.port}", await joining.token()
        yield Cluster(env, plane, Access(url, keys.ca.certificate, token=token), keys)
        await server.close()
        group.cancel()
    env.offload.close()


def certificate(folder: Path) -> bytes:
    return (folder / "kubelet-client.crt").read_bytes()


async def shown(context: ssl.SSLContext, ca: bytes) -> bytes:
    """The certificate that a server with `context` shows to who asks for 192.168.100.10."""

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=tls.client_context(ca), server_hostname=W1.address
        )
        found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
    return found


async def test_a_node_joins_with_a_token_and_keeps_what_it_was_given(tmp_path):
    async with cluster(tmp_path) as made:
        folder = tmp_path / "pki-w1"
        first = made.certificates(folder)
        api = await first.client()
        assert (await api.get(NODES, "w1"))["metadata"]["name"] == "w1"
        await shown(await first.serving(), made.keys.ca.certificate)
        kept = certificate(folder)
        made.access = dataclasses.replace(made.access, token="")
        again = await made.certificates(folder).client()
        assert (await again.get(NODES, "w1"))["metadata"]["name"] == "w1"
        assert certificate(folder) == kept
        await api.close()
        await again.close()


async def test_both_certificates_are_renewed_and_used_without_a_restart(tmp_path, monkeypatch):
    monkeypatch.setattr(node_certificates, "RENEW_AFTER", (0.0, 0.0))
    async with cluster(tmp_path) as made:
        folder, ca = tmp_path / "pki-w1", made.keys.ca.certificate
        certificates = made.certificates(folder)
        api, context = await certificates.client(), await certificates.serving()
        before = await shown(context, ca)
        old = certificate(folder)
        async with TaskGroup("renewal") as group:
            group.start(certificates.run(), "certificates")
            async with asyncio.timeout(20):
                while await shown(context, ca) == before or certificate(folder) == old:
                    pass
            group.cancel()
        found = await api.list(REQUESTS)
        users = [one["spec"]["username"] for one in found.items]
        assert users.count("system:node:w1") >= 3
        await api.close()


async def test_a_node_cannot_have_a_certificate_for_another_address(tmp_path):
    async with cluster(tmp_path) as made:
        certificates = made.certificates(tmp_path / "pki-w1")
        api = await certificates.client()
        other = tls.Subject("system:node:w1", ["system:nodes"], dns=["w1"], ips=["192.168.100.1"])
        request = tls.new_request(tls.new_key(), other)
        body = {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"name": "mine"},
            "spec": {
                "request": base64.b64encode(request).decode(),
                "signerName": node_certificates.SERVING.signer,
                "usages": ["digital signature", "server auth"],
            },
        }
        await api.create(REQUESTS, body)
        await certificates.serving()  # granted, though it came later
        assert not ((await api.get(REQUESTS, "mine")).get("status") or {}).get("conditions")
        await api.close()


async def test_a_stranger_is_refused(tmp_path):
    async with cluster(tmp_path) as made:
        made.access = dataclasses.replace(made.access, token="abcdef.0123456789abcdef")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await made.certificates(tmp_path / "pki-w1").client()
        with pytest.raises(ApiError):
            await made.plane.client().get(REQUESTS, "csr-any")
