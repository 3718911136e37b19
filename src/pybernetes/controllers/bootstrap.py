# SPDX-License-Identifier: Apache-2.0
"""bootstrap-signer-controller and token-cleaner-controller: tokens with which nodes join.

The signer lets whoever holds a token check the kubeconfig in kube-public/cluster-info that it read
from a server it does not trust yet; the cleaner removes tokens whose time is over.
"""

import base64
import datetime
import hashlib
import hmac
from collections.abc import Sequence

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.bootstraptoken import remaining, text
from pybernetes.client.informer import Informer
from pybernetes.controllers.runtime.batches import delete_if_there
from pybernetes.controllers.runtime.controller import Context, Controller, Keyed
from pybernetes.controllers.runtime.resources import CONFIG_MAPS, SECRETS

SIGNATURE_PREFIX = "jws-kubeconfig-"


def signed(
    cluster_info: Object, secrets: Sequence[Object], now: datetime.datetime
) -> Object | None:
    """The ConfigMap with a signature of its kubeconfig for every token that may sign.

    None: it holds them already, or there is nothing to sign.
    """
    data = cluster_info.get("data") or {}
    if "kubeconfig" not in data:
        return None
    wanted = {key: value for key, value in data.items() if not key.startswith(SIGNATURE_PREFIX)}
    for secret in secrets:
        identifier, key = text(secret, "token-id"), text(secret, "token-secret")
        named = meta.name(secret) == f"bootstrap-token-{identifier}" and len(identifier) == 6
        may = text(secret, "usage-bootstrap-signing") == "true" and remaining(secret, now) != 0
        if named and key and may:
            wanted[SIGNATURE_PREFIX + identifier] = detached(data["kubeconfig"], identifier, key)
    return {**cluster_info, "data": wanted} if wanted != data else None


def detached(content: str, identifier: str, key: str) -> str:
    """A compact JWS (HS256) of `content` with the content itself left out."""
    header = _base64url(f'{{"alg":"HS256","kid":"{identifier}"}}'.encode())
    message = f"{header}.{_base64url(content.encode())}"
    signature = hmac.digest(key.encode(), message.encode(), hashlib.sha256)
    return f"{header}..{_base64url(signature)}"


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


_PUBLIC, _CLUSTER_INFO = "kube-public", "cluster-info"


def _tokens(context: Context) -> Informer:
    kind = "type=bootstrap.kubernetes.io/token"
    return context.informers.get(SECRETS, "kube-system", field_selector=kind)


class BootstrapSigner(Controller):
    """Its only key is the name of the ConfigMap."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        only = f"metadata.name={_CLUSTER_INFO}"
        self._maps = context.informers.get(CONFIG_MAPS, _PUBLIC, field_selector=only)
        self._tokens = _tokens(context)
        for informer in (self._tokens, self._maps):
            self._follow(informer, lambda _: [_CLUSTER_INFO])

    async def sync(self, key: str) -> None:
        current = self._maps.find(_PUBLIC, key)
        if current is not None:
            wanted = signed(current, self._tokens.items(), self._now())
            if wanted is not None:
                await self._client.update(CONFIG_MAPS, wanted, _PUBLIC)


class TokenCleaner(Keyed):
    """Keys are namespace/name of token Secrets; each comes back when its token ends."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, _tokens(context))
        self._follow(self._objects)

    async def _sync(self, key: str, secret: Object) -> None:
        left = remaining(secret, self._now())
        if left:
            self._queue.add_after(key, left)
        elif left is not None:
            await delete_if_there(self._client, SECRETS, secret)
