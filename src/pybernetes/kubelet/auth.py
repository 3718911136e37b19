# SPDX-License-Identifier: Apache-2.0
"""Who calls the kubelet, and whether they may: TokenReview and SubjectAccessReview, cached."""

from collections.abc import Sequence

from pybernetes.apimachinery import errors
from pybernetes.apimachinery.types import GVR, Object, User
from pybernetes.base import tls
from pybernetes.base.env import Env
from pybernetes.base.expiring import Expiring
from pybernetes.client.types import Client
from pybernetes.wire.types import Request

_TOKENS = GVR("authentication.k8s.io", "v1", "tokenreviews")
_ACCESS = GVR("authorization.k8s.io", "v1", "subjectaccessreviews")
ALLOWED_SECONDS, DENIED_SECONDS, TOKEN_SECONDS = 300.0, 30.0, 120.0
MAX_CACHED = 1000


class Authorization:
    """`check(request, subresources)` is the listener's Authorize."""

    def __init__(self, env: Env, client: Client, node_name: str) -> None:
        self._client = client
        self._node = node_name
        self._tokens: Expiring[str, User] = Expiring(env.clock, MAX_CACHED)
        self._decisions: Expiring[tuple[User, str, str], bool] = Expiring(env.clock, MAX_CACHED)

    async def check(self, request: Request, subresources: Sequence[str]) -> None:
        """Any of the subresources is enough. Raises ApiError 401 or 403."""
        user = await self._user(request)
        for name in subresources:
            if await self._allowed(user, verb(request.method), name):
                return
        raise errors.ApiError(
            403,
            "Forbidden",
            f"Forbidden (user={user.name}, verb={verb(request.method)}, resource=nodes,"
            f" subresource(s)=[{' '.join(subresources)}])",
        )

    async def _user(self, request: Request) -> User:
        if isinstance(request.identity, User):
            return request.identity
        if request.peer.certificates:
            name, groups = tls.identity(request.peer.certificates[0])
            if not name:
                raise errors.unauthorized()
            return User(name, (*groups, "system:authenticated"))
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise errors.unauthorized()
        if known := self._tokens.get(token):
            return known
        status = await self._review(_TOKENS, "TokenReview", {"token": token})
        if not status.get("authenticated"):
            raise errors.unauthorized()
        info = status.get("user") or {}
        user = User(info.get("username", ""), tuple(info.get("groups", ())), info.get("uid", ""))
        return self._tokens.put(token, user, TOKEN_SECONDS)

    async def _allowed(self, user: User, action: str, subresource: str) -> bool:
        key = (user, action, subresource)
        if (known := self._decisions.get(key)) is not None:
            return known
        attributes = {
            "verb": action,
            "version": "v1",
            "resource": "nodes",
            "subresource": subresource,
            "name": self._node,
        }
        who = {"user": user.name, "groups": list(user.groups), "uid": user.uid}
        spec = {**who, "resourceAttributes": attributes}
        status = await self._review(_ACCESS, "SubjectAccessReview", spec)
        allowed = bool(status.get("allowed"))
        return self._decisions.put(key, allowed, ALLOWED_SECONDS if allowed else DENIED_SECONDS)

    async def _review(self, gvr: GVR, kind: str, spec: Object) -> Object:
        """What the API server says; its status."""
        review = {"apiVersion": f"{gvr.group}/{gvr.version}", "kind": kind, "spec": spec}
        return (await self._client.create(gvr, review)).get("status") or {}


_SUBRESOURCES = {  # first part of a path -> what is enough
    "allocatedPods": ["pods", "proxy"],
    "pods": ["pods", "proxy"],
    "healthz": ["healthz", "proxy"],
    "configz": ["configz", "proxy"],
    "runningpods": ["pods", "proxy"],
    "stats": ["stats"],
    "metrics": ["metrics"],
    "logs": ["log"],
    "checkpoint": ["checkpoint"],
    "statusz": ["statusz"],
    "flagz": ["configz"],
}


def subresources(path: str) -> list[str]:
    """Any of these is enough."""
    return _SUBRESOURCES.get(path.removeprefix("/").partition("/")[0], ["proxy"])


def verb(method: str) -> str:
    """The API verb that stands for an HTTP method."""
    verbs = {"POST": "create", "GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
    return verbs.get(method, "")
