# SPDX-License-Identifier: Apache-2.0
"""Signs kube-public/cluster-info with every bootstrap token, and deletes tokens that are over."""

from pybernetes.apimachinery import meta
from pybernetes.client.informer import Informer
from pybernetes.controllers.bootstrap.plan import remaining, signed
from pybernetes.controllers.runtime.batches import delete_if_there
from pybernetes.controllers.runtime.controller import Context, queue_live
from pybernetes.controllers.runtime.resources import CONFIG_MAPS, SECRETS

_PUBLIC, _CLUSTER_INFO = "kube-public", "cluster-info"


def _tokens(context: Context) -> Informer:
    kind = "type=bootstrap.kubernetes.io/token"
    return context.informers.get(SECRETS, "kube-system", field_selector=kind)


class BootstrapSigner:
    """Its only key is the name of the ConfigMap."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tokens = _tokens(context)
        only = f"metadata.name={_CLUSTER_INFO}"
        self._maps = context.informers.get(CONFIG_MAPS, _PUBLIC, field_selector=only)
        for informer in (self._tokens, self._maps):
            informer.on_change(lambda _old, _new: context.queue.add(_CLUSTER_INFO))

    async def sync(self, key: str) -> None:
        current = self._maps.find(_PUBLIC, key)
        if current is not None:
            wanted = signed(current, self._tokens.items(), self._context.env.clock.now())
            if wanted is not None:
                await self._context.client.update(CONFIG_MAPS, wanted, _PUBLIC)


class TokenCleaner:
    """Keys are namespace/name of token Secrets; each comes back when its token ends."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tokens = _tokens(context)
        queue_live(context.queue.add, self._tokens)

    async def sync(self, key: str) -> None:
        secret = self._tokens.find(*meta.split_key(key))
        if secret is None:
            return
        left = remaining(secret, self._context.env.clock.now())
        if left:
            self._context.queue.add_after(key, left)
        elif left is not None:
            options = {"preconditions": {"uid": meta.uid(secret)}}
            await delete_if_there(self._context.client, SECRETS, secret, options)
