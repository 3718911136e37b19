# SPDX-License-Identifier: Apache-2.0
"""The API server's seams: what a request asks for, and who decides about it. No implementation here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, Self

from pybernetes.apimachinery.types import GVR, Object, User
from pybernetes.apis.resource import Resource
from pybernetes.storage.types import Op
from pybernetes.wire.types import ClientReply, Request


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """What a request asks for (upstream's request.RequestInfo).

    `verb` is get, list, watch, create, update, patch, delete, deletecollection for resources,
    else the lower-case HTTP method.
    """

    verb: str
    path: str
    is_resource: bool = False
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def gvr(self) -> GVR:
        return GVR(self.group, self.version, self.resource)

    @classmethod
    def asking(cls, verb: str, group: str, resource: str, name: str = "", **more: str) -> Self:
        """A question to authorizers that no request stands behind. `more`: namespace, version, ..."""
        more.setdefault("version", "*")
        return cls(verb, "", True, group, resource=resource, name=name, **more)


class Authenticator(Protocol):
    """One way to find out who calls."""

    def authenticate(self, request: Request) -> User | None:
        """The user; None: this authenticator has no opinion. Raises ApiError 401 on bad credentials."""


Decision = Literal["allow", "deny", "no-opinion"]


class Authorizer(Protocol):
    """One way to decide what a user may do. Decides from informer caches: never waits."""

    def authorize(self, user: User, info: RequestInfo) -> tuple[Decision, str]:
        """The decision and its reason."""


Operation = Literal["CREATE", "UPDATE", "DELETE"]


@dataclass(slots=True)
class AdmissionRequest:
    """What admission sees. Mutating plugins change `obj` in place or replace it.

    `old` must not be changed. `obj` is empty on DELETE, `old` on CREATE.
    """

    operation: Operation
    resource: Resource
    name: str
    namespace: str
    subresource: str
    obj: Object
    old: Object
    user: User
    dry_run: bool = False

    @property
    def of(self) -> str:
        """ "deployments.apps": of what the object is one."""
        return self.resource.gvr.group_resource


class Admission(Protocol):
    """All admission plugins, as one."""

    async def admit(self, request: AdmissionRequest) -> None:
        """Change `request.obj` in place. Raises ApiError to refuse."""

    async def validate(self, request: AdmissionRequest) -> None:
        """Refuse by raising ApiError; change nothing."""

    async def both(self, request: AdmissionRequest) -> None:
        """One after the other, where nothing happens between them."""


WriteHook = Callable[[Object | None, Object | None], Sequence[Op]]
"""(new, old) -> further writes of a resource, in the transaction of the object's own (addresses of Services).

Called again when the transaction failed on one of them, to choose another address. May change `new`.
Raises ApiError to refuse.
"""


class NodeDialer(Protocol):
    """Reaches kubelets (cmd/ wires it: TLS with the API server's client certificate, or in process)."""

    async def send(self, node: Object, request: Request) -> ClientReply:
        """Send `request` to the kubelet of `node` (a Node object). Raises ConnectionError."""
