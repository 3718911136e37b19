# SPDX-License-Identifier: Apache-2.0
"""How a lab's nodes join: their Node objects, and a bootstrap token."""

import asyncio
import base64
import datetime

from pybernetes.apimachinery.errors import forgiving
from pybernetes.apimachinery.timestamps import rfc3339
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.base import tls
from pybernetes.base.env import Env
from pybernetes.client.types import STRATEGIC_MERGE_PATCH, Client
from pybernetes.cmd.labconfig import LabNode

NODES, SECRETS = GVR("", "v1", "nodes"), GVR("", "v1", "secrets")
TOKEN_LIFE = datetime.timedelta(hours=1)


class Joining:
    """`client` is the administrator's."""

    def __init__(self, env: Env, client: Client) -> None:
        self._env, self._client = env, client
        self._lock = asyncio.Lock()
        self._text, self._end = "", env.clock.now()  # of the present token

    async def introduce(self, node: LabNode) -> None:
        """Make the Node with its role, which is not a kubelet's to claim, and its address."""
        named = {"InternalIP": node.address, "Hostname": node.name}
        addresses: list[Object] = [{"type": kind, "address": one} for kind, one in named.items()]
        wanted: Object = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": node.name, "labels": node.role_labels | node.own_labels},
            "spec": {"taints": node.all_taints},
            "status": {"addresses": addresses},
        }
        with forgiving("AlreadyExists"):
            await self._client.create(NODES, wanted)
            return
        patch = {"status": {"addresses": [*addresses, {"$patch": "replace"}]}}
        await self._client.patch(
            NODES, node.name, patch, patch_type=STRATEGIC_MERGE_PATCH, subresource="status"
        )

    async def token(self) -> str:
        """A bootstrap token that is good for an hour; nodes without a certificate join with it."""
        async with self._lock:
            now = self._env.clock.now()
            if self._end - now < TOKEN_LIFE / 2:
                self._end = now + TOKEN_LIFE
                secret, self._text = bootstrap_token(self._end)
                await self._client.create(SECRETS, secret, "kube-system")
            return self._text


def bootstrap_token(end: datetime.datetime) -> tuple[Object, str]:
    """A new token's Secret, and the token."""
    name, secret = tls.random_token(6), tls.random_token(16)
    fields = {
        "token-id": name,
        "token-secret": secret,
        "expiration": rfc3339(end),
        "usage-bootstrap-authentication": "true",
        "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"bootstrap-token-{name}", "namespace": "kube-system"},
        "type": "bootstrap.kubernetes.io/token",
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in fields.items()},
    }, f"{name}.{secret}"
