# SPDX-License-Identifier: Apache-2.0
"""Who calls the kubelet, and whether they may: TokenReview and SubjectAccessReview, cached."""

from collections.abc import Sequence

from cryptography import x509
from cryptography.x509.oid import NameOID

from pybernetes.apimachinery import errors
from pybernetes.apimachinery.types import GVR, Object, User
from pybernetes.base.env import Env
from pybernetes.client.types import Client
from pybernetes.wire.types import Request

_TOKENS = GVR("authentication.k8s.io", "v1", "tokenreviews")
_ACCESS = GVR("authorization.k8s.io", "v1", "subjectaccessreviews")
ALLOWED_SECONDS, DENIED_SECONDS, TOKEN_SECONDS = 300.0, 30.0, 120.0
MAX_CACHED = 1000


class Authorization:
    """`check(request, subresources)` is the listener's Authorize."""

    def __init__(self, env: Env, client: Client, node_name: str) -> None:
        self._clock = env.clock
        self._client = client
        self._node = node_name
        self._tokens: dict[str, tuple[float, User]] = {}
        self._decisions: dict[tuple[User, str, str], tuple[float, bool]] = {}

    async def check(self, request: Request, subresources: Sequence[str]) -> None:
        """Any of the subresources is enough. Raises ApiError 401 or 403."""
        user = await self._user(request)
        for name in subresources:
            if await self._allowed(user, verb(request.method), name):
                return
        shown = subresources[-1]
        raise errors.ApiError(
            403,
            "Forbidden",
            f"Forbidden (user={user.name}, verb={verb(request.method)}, resource=nodes,"
            f" subresource(s)=[{' '.join(subresources) or shown}])",
        )

    async def _user(self, request: Request) -> User:
        if isinstance(request.identity, User):
            return request.identity
        if request.peer.certificates:
            return certificate_user(request.peer.certificates[0])
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise errors.unauthorized()
        now = self._clock.monotonic()
        known = self._tokens.get(token)
        if known is not None and now < known[0]:
            return known[1]
        review: Object = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token},
        }
        status = (await self._client.create(_TOKENS, review)).get("status") or {}
        if not status.get("authenticated"):
            raise errors.unauthorized()
        info = status.get("user") or {}
        user = User(info.get("username", ""), tuple(info.get("groups", ())), info.get("uid", ""))
        if len(self._tokens) >= MAX_CACHED:
            self._tokens.clear()
        self._tokens[token] = (now + TOKEN_SECONDS, user)
        return user

    async def _allowed(self, user: User, action: str, subresource: str) -> bool:
        now = self._clock.monotonic()
        key = (user, action, subresource)
        known = self._decisions.get(key)
        if known is not None and now < known[0]:
            return known[1]
        review: Object = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": user.name,
                "groups": list(user.groups),
                "uid": user.uid,
                "resourceAttributes": {
                    "verb": action,
                    "version": "v1",
                    "resource": "nodes",
                    "subresource": subresource,
                    "name": self._node,
                },
            },
        }
        status = (await self._client.create(_ACCESS, review)).get("status") or {}
        allowed = bool(status.get("allowed"))
        if len(self._decisions) >= MAX_CACHED:
            self._decisions.clear()
        seconds = ALLOWED_SECONDS if allowed else DENIED_SECONDS
        self._decisions[key] = (now + seconds, allowed)
        return allowed


def certificate_user(der: bytes) -> User:
    """CommonName and Organizations of a client certificate (its chain was checked)."""
    subject = x509.load_der_x509_certificate(der).subject
    names = [str(item.value) for item in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    groups = [str(item.value) for item in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    if not names:
        raise errors.unauthorized()
    return User(names[0], (*groups, "system:authenticated"))


_FINE = (  # path, subresource that is enough besides "proxy"
    ("/allocatedPods", "pods"),
    ("/pods", "pods"),
    ("/healthz", "healthz"),
    ("/configz", "configz"),
    ("/runningpods", "pods"),
)
_OWN = (  # path, its only subresource
    ("/stats", "stats"),
    ("/metrics", "metrics"),
    ("/logs", "log"),
    ("/checkpoint", "checkpoint"),
    ("/statusz", "statusz"),
    ("/flagz", "configz"),
)


def _within(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix + "/")


def subresources(path: str) -> list[str]:
    """Any of these is enough."""
    found = [name for prefix, name in _FINE if _within(path, prefix)][:1]
    own = [name for prefix, name in _OWN if _within(path, prefix)][:1]
    return found + (own or ["proxy"])


def verb(method: str) -> str:
    """The API verb that stands for an HTTP method."""
    verbs = {"POST": "create", "GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
    return verbs.get(method, "")
