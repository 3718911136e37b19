# SPDX-License-Identifier: Apache-2.0
"""Objects that pods refer to, and service account tokens, each with the cache it needs."""

from collections.abc import Awaitable, Callable

from pybernetes.apimachinery import timestamps
from pybernetes.apimachinery.errors import ApiError, forgiving
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.base.env import Env
from pybernetes.base.expiring import Expiring
from pybernetes.client.types import Client
from pybernetes.kubelet import naming

MAX_CACHED = 1000
Lookup = Callable[[GVR, str, str], Awaitable[Object]]
"""lookup(gvr, namespace, name): the object, a few seconds old at most. Raises ApiError."""


class Objects:
    """`fresh` always asks; `cached` answers for `ttl` seconds from what anybody asked last."""

    def __init__(self, env: Env, client: Client, ttl: float) -> None:
        self._client = client
        self._ttl = ttl
        self._clock = env.clock
        self._cache: Expiring[tuple[GVR, str, str], Object] = Expiring(env.clock, MAX_CACHED)
        self._tokens: Expiring[tuple[str, str, int], str] = Expiring(env.clock, MAX_CACHED)

    async def fresh(self, gvr: GVR, namespace: str, name: str) -> Object:
        found = await self._client.get(gvr, name, namespace)
        return self._cache.put((gvr, namespace, name), found, self._ttl)

    async def cached(self, gvr: GVR, namespace: str, name: str) -> Object:
        return self._cache.get((gvr, namespace, name)) or await self.fresh(gvr, namespace, name)

    async def bundles(self, name: str, signer: str) -> list[Object]:
        """ClusterTrustBundles: the one of a name, or all of a signer. Raises ApiError."""
        if name:
            with forgiving(404):
                return [await self.cached(naming.TRUST_BUNDLES, "", name)]
            return []
        selector = f"spec.signerName={signer}"
        return (await self._client.list(naming.TRUST_BUNDLES, field_selector=selector)).items

    async def token(self, pod: Object, audience: str, seconds: int) -> str:
        """A bound service account token, asked for again after four fifths of its life."""
        key = (naming.uid(pod), audience, seconds)
        if known := self._tokens.get(key):
            return known
        spec: Object = {
            "audiences": [audience] if audience else [],
            "expirationSeconds": seconds,
            "boundObjectRef": naming.owner("Pod", pod),
        }
        answer = await self._client.create(
            naming.SERVICE_ACCOUNTS,
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec},
            pod["metadata"]["namespace"],
            name=pod["spec"].get("serviceAccountName") or "default",
            subresource="token",
        )
        expires = timestamps.parse(answer["status"]["expirationTimestamp"]).timestamp()
        lasts = min(0.8 * (expires - self._clock.time()), 24 * 3600.0)
        return self._tokens.put(key, str(answer["status"]["token"]), lasts)


async def look_up(
    lookup: Lookup, pod: Object, what: tuple[GVR, str], on_failure: tuple[type[Exception], bool]
) -> Object:
    """An object of the pod's namespace. `on_failure`: what is raised, and whether {} will do where
    there is none."""
    (gvr, name), (failure, optional) = what, on_failure
    try:
        return await lookup(gvr, pod["metadata"]["namespace"], name)
    except ApiError as error:
        if error.code == 404 and optional:
            return {}
        raise failure(error.message) from error
    except ConnectionError as error:
        raise failure(str(error)) from error
