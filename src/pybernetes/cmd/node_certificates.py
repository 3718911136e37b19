# SPDX-License-Identifier: Apache-2.0
"""A node's two certificates: who it is to the API server, and what its kubelet serves with.

Both are asked for by CertificateSigningRequest (the first with a bootstrap token), kept in the
node's folder, and renewed when 70 to 90 % of their lives are over, as upstream's kubelet does.
"""

import asyncio
import base64
import datetime
import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.base import logs, tls
from pybernetes.base.clock import Clock
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.https import Https
from pybernetes.client.kubeconfig import ClusterConfig as Access
from pybernetes.client.types import Client
from pybernetes.cmd.labconfig import LabNode

REQUESTS = GVR("certificates.k8s.io", "v1", "certificatesigningrequests")
FIRST_WAIT, LONGEST_WAIT = 0.05, 5.0
PATIENCE = 900.0  # seconds for one request to be granted, as upstream's kubelet has
RENEW_AFTER = (0.7, 0.9)  # of a certificate's life, drawn for each
LOOK_AGAIN = 3600.0  # a clock may be set
_ANYWHERE = nullcontext()
_log = logs.get("certificates")


class NotGranted(Exception):
    """The request was denied, failed, or nobody decided in time."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a certificate is for: its file's name, who signs it, its one extended usage."""

    file: str
    signer: str
    usage: str


CLIENT = Purpose("kubelet-client", "kubernetes.io/kube-apiserver-client-kubelet", "client auth")
SERVING = Purpose("kubelet", "kubernetes.io/kubelet-serving", "server auth")


class NodeCertificates:
    """`client` first, then `serving`; what they return stays good while `run` runs.

    `access` says where the API server is, and which token a node without a certificate has.
    """

    def __init__(self, env: Env, access: Access, node: LabNode, folder: Path) -> None:
        self._env, self._access, self._folder = env, access, folder
        self._random = env.random.child("certificates")
        name, groups = f"system:node:{node.name}", ["system:nodes"]
        self._subjects = {
            CLIENT: tls.Subject(name, groups),
            SERVING: tls.Subject(name, groups, dns=[node.name], ips=[node.address]),
        }
        self._use: dict[Purpose, Callable[[tls.KeyPair], None]] = {}
        self._api: Https | None = None

    async def client(self) -> Https:
        """The API server as this node."""
        pair = self._load(CLIENT)
        if pair is None:
            stranger = Https(self._env, self._access)
            pair = await self._obtain(CLIENT, stranger)
            await stranger.close()
        known = replace(self._access, token="", certificate=pair.certificate, key=pair.key)
        self._api = Https(self._env, known)
        self._use[CLIENT] = self._api.present
        return self._api

    async def serving(self) -> ssl.SSLContext:
        """What the kubelet's listener shows."""
        assert self._api is not None, "client comes first"
        pair = self._load(SERVING) or await self._obtain(SERVING, self._api)
        context = tls.server_context(pair, self._access.ca)
        self._use[SERVING] = lambda pair: tls.present(context, pair)
        return context

    async def run(self) -> None:
        """Renew both until cancelled."""
        async with TaskGroup("certificates") as group:
            for purpose in (CLIENT, SERVING):
                group.start(self._renew(purpose), purpose.file)

    def _load(self, purpose: Purpose) -> tls.KeyPair | None:
        """What an earlier process got, if it is still good and for our present address."""
        pair = tls.load(self._folder, purpose.file)
        left = tls.good_for(pair, self._subjects[purpose], self._env.clock)
        return pair if left > datetime.timedelta() else None

    async def _renew(self, purpose: Purpose) -> None:
        assert self._api is not None
        part = self._random.uniform(*RENEW_AFTER)
        while True:
            await due(tls.load(self._folder, purpose.file), part, self._env.clock)
            self._use[purpose](await self._obtain(purpose, self._api))
            _log.info("A certificate was renewed", name=purpose.file)

    async def _obtain(self, purpose: Purpose, client: Client) -> tls.KeyPair:
        pair = await obtain(client, purpose, self._subjects[purpose])
        tls.save(pair, self._folder, purpose.file)
        return pair


async def due(pair: tls.KeyPair | None, part: float, clock: Clock) -> None:
    """Wait until `part` of the certificate's life is over, if there is one."""
    while pair is not None:
        begin, end = tls.not_before(pair.certificate), tls.not_after(pair.certificate)
        left = (begin + (end - begin) * part - clock.now()).total_seconds()
        if left <= 0:
            return
        await asyncio.sleep(min(left, LOOK_AGAIN))


async def obtain(
    client: Client,
    purpose: Purpose,
    subject: tls.Subject,
    *,
    approve: bool = False,
    places: AbstractAsyncContextManager[None] = _ANYWHERE,
    longest_wait: float = LONGEST_WAIT,
) -> tls.KeyPair:
    """A new certificate for a new key, however long it takes. `places`: for so many at once."""
    wait = FIRST_WAIT
    while True:
        try:
            async with places, asyncio.timeout(PATIENCE):
                return await _ask(client, purpose, subject, approve=approve)
        except (ApiError, ConnectionError, TimeoutError, NotGranted) as error:
            _log.warning("No certificate yet", of=subject.name, name=purpose.file, err=error)
        await asyncio.sleep(wait)
        wait = min(longest_wait, 2 * wait)


async def _ask(
    client: Client, purpose: Purpose, subject: tls.Subject, *, approve: bool
) -> tls.KeyPair:
    """A certificate of the cluster's signer for a new key. Raises ApiError, NotGranted."""
    key = tls.new_key()
    made = await client.create(
        REQUESTS,
        {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"generateName": "csr-"},
            "spec": {
                "request": base64.b64encode(tls.new_request(key, subject)).decode(),
                "signerName": purpose.signer,
                "usages": ["digital signature", purpose.usage],
            },
        },
    )
    if approve:
        condition = {"type": "Approved", "status": "True", "reason": "Requestor"}
        await client.update(
            REQUESTS, {**made, "status": {"conditions": [condition]}}, subresource="approval"
        )
    wait = FIRST_WAIT
    while not (certificate := _certificate(made)):
        await asyncio.sleep(wait)
        wait = min(LONGEST_WAIT, 1.5 * wait)
        made = await client.get(REQUESTS, made["metadata"]["name"])
    return tls.KeyPair(certificate, key)


def _certificate(request: Object) -> bytes:
    """The certificate of a request; b"" where it is still to come. Raises NotGranted."""
    status = request.get("status") or {}
    for one in status.get("conditions") or ():
        if one["type"] in ("Denied", "Failed"):
            raise NotGranted(f"{one['type']}: {one.get('message') or one.get('reason')}")
    return base64.b64decode(status.get("certificate") or "")
