# SPDX-License-Identifier: Apache-2.0
"""Context: one request on its way through the server; and Core: what every verb needs to answer it."""

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from functools import lru_cache
from urllib.parse import parse_qsl

from pybernetes.apimachinery.types import Object, User
from pybernetes.apiserver.cache.feed import Feed
from pybernetes.apiserver.config import Config
from pybernetes.apiserver.requestinfo import parse
from pybernetes.apiserver.resources import Resources, Serving
from pybernetes.apiserver.types import (
    Admission,
    AdmissionRequest,
    NodeDialer,
    Operation,
    RequestInfo,
    WriteHook,
)
from pybernetes.base.env import Env
from pybernetes.storage.types import Store
from pybernetes.wire.types import Request

NOBODY = User("")
NEWEST = 1 << 64  # above every revision


@dataclass(slots=True)
class Core:
    """The server's shared parts. Only `admission`, `hooks` and `check_write` change, and only while it is built."""

    env: Env
    config: Config
    store: Store
    feed: Feed
    resources: Resources
    dialer: NodeDialer | None = None
    admission: Admission = field(init=False)
    hooks: dict[tuple[str, str], WriteHook] = field(default_factory=dict)  # (group, resource)
    check_write: Callable[[User, RequestInfo, Object, Object | None], None] = field(init=False)

    @property
    def newest(self) -> int:
        """The revision that a consistent read has to wait for; NEWEST where only the store knows it."""
        return NEWEST if self.store.shared else self.store.revision


@lru_cache(maxsize=4096)
def _params(query: str) -> Mapping[str, tuple[str, ...]]:
    result: dict[str, tuple[str, ...]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        result[name] = (*result.get(name, ()), value)
    return result


_TRUE = ("true", "1", "t", "T", "True", "TRUE")


@dataclass(slots=True, eq=False)
class Context:
    """`params` are the query's; `warnings` go out as headers; `user` is set by authentication.

    `dry_run` (nothing may be stored), `manager`, `validation` (Ignore, Warn or Strict) and `force` are
    options of a write: see rest/options.py.
    """

    request: Request
    core: Core
    user: User = NOBODY
    audit_id: str = ""
    warnings: list[str] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    counted: str = ""  # which in-flight counter holds this request
    dry_run: bool = False
    manager: str = ""
    validation: str = "Warn"
    force: bool = False
    started: float = field(init=False)
    params: Mapping[str, tuple[str, ...]] = field(init=False)
    info: RequestInfo = field(init=False)
    serving: Serving = field(init=False)  # set by the dispatcher before any verb runs

    def __post_init__(self) -> None:
        request = self.request
        self.started = self.core.env.clock.monotonic()
        self.params = _params(request.query) if request.query else {}
        watch, selector = False, ""
        if self.params:
            watch, selector = self.flag("watch"), self.param("fieldSelector")
        self.info = parse(request.method, request.path, watch, selector)

    def param(self, name: str) -> str:
        """The first value of a query parameter, or ""."""
        values = self.params.get(name)
        return values[0] if values else ""

    def flag(self, name: str) -> bool:
        return self.param(name) in _TRUE

    def instead(self, verb: str) -> "Context":
        """The same caller's request for the object itself: what a subresource does in its stead."""
        other = copy(self)
        other.info = replace(self.info, verb=verb, subresource="")
        return other

    @property
    def namespace(self) -> str:
        """The object's namespace: "" for cluster-scoped resources (namespaces among them)."""
        return self.info.namespace if self.serving.row.namespaced else ""

    def admission(
        self, operation: Operation, obj: Object | None, old: Object | None
    ) -> AdmissionRequest:
        """What a write asks of admission."""
        row, info = self.serving.row, self.info
        meta = (obj or old or {}).get("metadata") or {}
        return AdmissionRequest(
            operation=operation,
            resource=row,
            name=info.name or meta.get("name", ""),
            namespace=info.namespace or (meta.get("namespace", "") if row.namespaced else ""),
            subresource=info.subresource,
            obj=obj or {},
            old=old or {},
            user=self.user,
            dry_run=self.dry_run,
        )
