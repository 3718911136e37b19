# SPDX-License-Identifier: Apache-2.0
"""Pod certificates: keys made here, certificates asked for by PodCertificateRequest, both renewed.

A new key is made for every request; what is denied or failed stays so, what cannot even be asked for
is tried again ever less often. Nothing is kept over a restart: then all are asked for anew,
as upstream does.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass

from pybernetes.apimachinery import timestamps
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.base.backoff import Backoff
from pybernetes.base.env import Env
from pybernetes.client.types import Client
from pybernetes.kubelet import naming
from pybernetes.kubelet.record import MountError

_REQUESTS = GVR("certificates.k8s.io", "v1", "podcertificaterequests")
_ABANDON = 600.0  # seconds after which a request that is not there has been deleted
_JITTER = 300.0
_FINAL = ("Denied", "Failed", "Issued")
Node = Callable[[], Object]


@dataclass(slots=True)
class _Credential:
    """What we have (`key`, `chain`, until `refresh_at`), and the request that is on its way."""

    key: bytes = b""
    chain: bytes = b""
    refresh_at: float = 0.0
    refused: str = ""
    request: str = ""
    request_key: bytes = b""
    asked_at: float = 0.0
    retry_at: float = 0.0


class PodCertificates:
    """`get` is asked every few seconds by the volumes that need it, and moves one step each time."""

    def __init__(self, env: Env, client: Client, node: Node) -> None:
        self._env = env
        self._client = client
        self._node = node
        self._known: dict[tuple[str, str], _Credential] = {}
        self._backoff = Backoff(0.005, 1000.0)  # client-go's default

    async def get(self, pod: Object, place: str, source: Object) -> tuple[bytes, bytes]:
        """Key and chain (PEM). Raises MountError while there are none, ApiError."""
        key = naming.uid(pod), place
        one = self._known.setdefault(key, _Credential())
        due = self._env.clock.time() >= max(one.refresh_at, one.retry_at)
        if due and not (one.refused or one.request):
            one.retry_at = self._env.clock.time() + self._backoff.next(key)
            await self._ask(one, pod, source)
            self._backoff.forget(key)
        if one.request:
            await self._look(one, pod)
        if one.refused:
            raise MountError(one.refused)
        if not one.chain:
            raise MountError("credential bundle is not issued yet")
        return one.key, one.chain

    async def _ask(self, one: _Credential, pod: Object, source: Object) -> None:
        """Make a key and request a certificate for it."""
        namespace, name = naming.key(pod)
        account_name = pod["spec"].get("serviceAccountName") or "default"
        account = await self._client.get(naming.SERVICE_ACCOUNTS, account_name, namespace)
        node = self._node()["metadata"]
        key, proof = await self._env.offload.run(_new_key, source.get("keyType", ""))
        spec = {
            "signerName": source["signerName"],
            "podName": name,
            "podUID": naming.uid(pod),
            "serviceAccountName": account_name,
            "serviceAccountUID": account["metadata"]["uid"],
            "nodeName": node["name"],
            "nodeUID": node["uid"],
            "maxExpirationSeconds": source.get("maxExpirationSeconds") or 86400,
            "stubPKCS10Request": base64.b64encode(proof).decode(),
        }
        if source.get("userAnnotations"):
            spec["unverifiedUserAnnotations"] = source["userAnnotations"]
        request = {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "PodCertificateRequest",
            "metadata": {"generateName": "req-", "ownerReferences": [naming.owner("Pod", pod)]},
            "spec": spec,
        }
        made = await self._client.create(_REQUESTS, request, namespace)
        one.request, one.request_key = made["metadata"]["name"], key
        one.asked_at = self._env.clock.time()

    async def _look(self, one: _Credential, pod: Object) -> None:
        """Take the answer to a request, if there is one."""
        namespace, now = pod["metadata"]["namespace"], self._env.clock.time()
        selector = f"metadata.name={one.request},spec.nodeName={self._node()['metadata']['name']}"
        found = await self._client.list(_REQUESTS, namespace, field_selector=selector)
        if not found.items:
            if now - one.asked_at > _ABANDON:
                one.request = ""  # somebody deleted it
            return
        status = found.items[0].get("status") or {}
        for condition in status.get("conditions", ()):
            if condition["type"] not in _FINAL:
                continue
            if condition["type"] == "Issued":
                one.key, one.chain = one.request_key, status["certificateChain"].encode()
                begin = timestamps.parse(status["beginRefreshAt"]).timestamp()
                one.refresh_at = begin + self._env.random.uniform(0, _JITTER)
            else:
                reason, message = condition.get("reason", ""), condition.get("message", "")
                word = "denied" if condition["type"] == "Denied" else "failed"
                one.refused = f"PodCertificateRequest was permanently {word}: "
                one.refused += f'reason="{reason}" message="{message}"'
            one.request = ""

    def forget(self, uid: str) -> None:
        for known in [known for known in self._known if known[0] == uid]:
            del self._known[known]
            self._backoff.forget(known)


def _new_key(kind: str) -> tuple[bytes, bytes]:
    """A private key (PKCS#8 PEM) and the proof that we hold it (an empty PKCS#10 request, DER)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    if kind in ("RSA3072", "RSA4096"):
        private = rsa.generate_private_key(65537, int(kind[3:]))
    elif kind in ("ECDSAP256", "ECDSAP384", "ECDSAP521"):
        curves = {"256": ec.SECP256R1(), "384": ec.SECP384R1(), "521": ec.SECP521R1()}
        private = ec.generate_private_key(curves[kind[-3:]])
    elif kind == "ED25519":
        private = ed25519.Ed25519PrivateKey.generate()
    else:
        raise MountError(f'unknown key type "{kind}"')
    digest = None if kind == "ED25519" else hashes.SHA256()
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem, request.sign(private, digest).public_bytes(serialization.Encoding.DER)
