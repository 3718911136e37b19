# SPDX-License-Identifier: Apache-2.0
"""Service account tokens: signed JWTs, bound to objects that must still exist.

Legacy tokens (kept in Secrets, without an expiry) are not supported.
"""

from collections.abc import Sequence
from typing import Any

import jwt

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.timestamps import parse
from pybernetes.apimachinery.types import GVR, Object, User
from pybernetes.apiserver.authentication.keys import VerifyKey
from pybernetes.apiserver.authentication.token import TokenError, Verified
from pybernetes.apiserver.authentication.users import CREDENTIAL_ID
from pybernetes.apiserver.reading import (
    NODES,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    Reader,
)
from pybernetes.base.clock import Clock

LEEWAY = 60.0  # seconds of clock skew, and of grace for objects being deleted
_CLAIMS = "kubernetes.io"
_EXTRA = "authentication.kubernetes.io/"
_BOUND = (("secret", SECRETS), ("pod", PODS))


class ServiceAccountTokens:
    """Verifies tokens of the given issuers with the given keys, objects looked up in `reader`."""

    def __init__(
        self, issuers: Sequence[str], keys: Sequence[VerifyKey], reader: Reader, clock: Clock
    ) -> None:
        self._issuers = tuple(issuers)
        self._keys = tuple(keys)
        self._reader = reader
        self._clock = clock

    def verify(self, token: str, audiences: Sequence[str]) -> Verified | None:
        if token.count(".") != 2:
            return None
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
        except jwt.PyJWTError:
            return None
        if claims.get("iss") not in self._issuers:
            return None
        self._check_signature(token)
        self._check_times(claims)
        meant = _strings(claims.get("aud"))
        shared = tuple(name for name in audiences if name in meant)
        if audiences and not shared:
            raise TokenError(
                f"token audiences {_quoted(meant)} is invalid for the target audiences "
                f"{_quoted(audiences)}"
            )
        return Verified(self._user(claims), shared)

    def _check_signature(self, token: str) -> None:
        header = jwt.get_unverified_header(token)
        wanted = header.get("kid")
        keys = [key for key in self._keys if not wanted or key.key_id == wanted]
        if not keys:
            raise TokenError("invalid signature, no keys found")
        for key in keys:
            try:
                jwt.api_jws.decode(token, key.key, algorithms=[key.algorithm])
            except jwt.PyJWTError:
                continue
            return
        raise TokenError("invalid bearer token")

    def _check_times(self, claims: dict[str, Any]) -> None:
        now = self._clock.time()
        if now - LEEWAY > _number(claims, "exp"):
            raise TokenError("service account token has expired")
        if now + LEEWAY < _number(claims, "nbf"):
            raise TokenError("service account token is not valid yet")
        if now + LEEWAY < _number(claims, "iat"):
            raise TokenError("service account token is issued in the future")

    def _user(self, claims: dict[str, Any]) -> User:
        private = claims.get(_CLAIMS) or {}
        namespace = private.get("namespace") or ""
        account = private.get("serviceaccount") or {}
        name, uid = account.get("name") or "", account.get("uid") or ""
        obj = self._reader.get(SERVICE_ACCOUNTS, namespace, name)
        if obj is None:
            raise TokenError(f'serviceaccounts "{name}" not found')
        if meta.uid(obj) != uid:
            raise TokenError(f"service account UID ({meta.uid(obj)}) does not match claim ({uid})")
        if self._gone(obj):
            raise TokenError(f"service account {namespace}/{name} has been deleted")
        if claims.get("sub") != f"system:serviceaccount:{namespace}:{name}":
            raise TokenError("service account token claims could not be validated: subject")
        for kind, gvr in _BOUND:
            self._check_bound(private.get(kind), kind, (gvr, namespace))
        if "pod" not in private:
            self._check_bound(private.get("node"), "node", (NODES, ""))
        for kind in ("validatingwebhookconfiguration", "mutatingwebhookconfiguration"):
            if kind in private:
                raise TokenError(f"unsupported: token bound to a {kind}")
        return _account_user(namespace, name, uid, claims)

    def _check_bound(self, ref: Any, kind: str, where: tuple[GVR, str]) -> None:
        if ref is None:
            return
        obj = self._reader.get(*where, ref.get("name") or "")
        if obj is None or self._gone(obj):
            raise TokenError("service account token has been invalidated")
        if meta.uid(obj) != ref.get("uid"):
            label = "Node" if kind == "node" else kind
            raise TokenError(
                f"{label} UID ({meta.uid(obj)}) does not match service account "
                f"{kind} ref claim ({ref.get('uid')})"
            )

    def _gone(self, obj: Object) -> bool:
        """True once an object has been deleting for longer than the leeway."""
        since = meta.metadata(obj).get("deletionTimestamp")
        return since is not None and parse(since).timestamp() < self._clock.time() - LEEWAY


def _account_user(namespace: str, name: str, uid: str, claims: dict[str, Any]) -> User:
    private = claims[_CLAIMS]
    extra = []
    if claims.get("jti"):
        extra.append((CREDENTIAL_ID, (f"JTI={claims['jti']}",)))
    for kind in ("pod", "node"):
        ref = private.get(kind) or {}
        present = [key for key in ("name", "uid") if ref.get(key)]
        extra += [(f"{_EXTRA}{kind}-{key}", (ref[key],)) for key in present]
    user = meta.service_account_user(namespace, name, uid)
    return User(user.name, user.groups, uid, tuple(extra))


def _number(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if not isinstance(value, int | float):
        if name == "exp":
            raise TokenError("unsupported: service account token without an expiry")
        return 0.0
    return float(value)


def _strings(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else ()


def _quoted(names: Sequence[str]) -> str:
    return "[" + " ".join(f'"{name}"' for name in names) + "]"
