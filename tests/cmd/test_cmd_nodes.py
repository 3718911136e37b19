# SPDX-License-Identifier: Apache-2.0
"""The API server's way to kubelets: a Node cannot lead it to anyone but that node's kubelet."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from pybernetes.base import tls
from pybernetes.base.env import Env
from pybernetes.cmd.nodes import Nodes
from pybernetes.wire.server import serve
from pybernetes.wire.types import Request, Response, StreamingResponse

ENV = Env()
CA = tls.new_ca("kubernetes", ENV.clock)
OURS = tls.issue(CA, tls.Subject("kube-apiserver-kubelet-client", ["system:masters"]), ENV.clock)


@contextlib.asynccontextmanager
async def listening(common_name: str) -> AsyncIterator[int]:
    """Somebody with a certificate of the cluster's authority on 127.0.0.1."""
    pair = tls.issue(CA, tls.Subject(common_name, dns=("w1",), ips=("127.0.0.1",)), ENV.clock)
    seen: list[Request] = []

    def answer(request: Request) -> Response:
        seen.append(request)
        return Response(200, b"from " + common_name.encode())

    server = await serve(ENV, answer, ssl_context=tls.server_context(pair))
    yield server.port
    assert bool(seen) == (common_name == "system:node:w1")
    await server.close()


def node(port: int) -> dict[str, object]:
    return {
        "metadata": {"name": "w1"},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        },
    }


@pytest.mark.parametrize("owner", ["system:node:w1", "kube-apiserver", "system:node:w2"])
async def test_only_the_nodes_own_certificate_is_talked_to(owner):
    nodes = Nodes(ENV, tls.client_context(CA.certificate, OURS))
    async with listening(owner) as port:
        if owner == "system:node:w1":
            reply = await nodes.send(node(port), Request("GET", "/pods", "/pods"))
            assert isinstance(reply, StreamingResponse)
            assert [chunk async for chunk in reply.chunks] == [b"from system:node:w1"]
        else:
            with pytest.raises(ConnectionError, match=f"is {owner}'s, not system:node:w1's"):
                await nodes.send(node(port), Request("GET", "/pods", "/pods"))
        await nodes.close()


async def test_a_node_that_moved_is_reached_where_it_is():
    nodes = Nodes(ENV, tls.client_context(CA.certificate, OURS))
    for _ in range(2):
        async with listening("system:node:w1") as port:
            reply = await nodes.send(node(port), Request("GET", "/pods", "/pods"))
            assert isinstance(reply, StreamingResponse)
            await reply.chunks.aclose()
    assert len(nodes._pools) == 1
    await nodes.close()
