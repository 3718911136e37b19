# SPDX-License-Identifier: Apache-2.0
"""Bearer tokens: where they stand in a request, and the kinds that are looked up in a table."""

import base64
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pybernetes.apimachinery import errors, meta
from pybernetes.apimachinery.types import User
from pybernetes.apis.core.bootstraptoken import remaining, text
from pybernetes.apiserver.authentication.users import with_authenticated
from pybernetes.apiserver.reading import SECRETS, Reader
from pybernetes.base.clock import Clock
from pybernetes.base.expiring import Expiring
from pybernetes.wire.types import Request

_BOOTSTRAP = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_WEBSOCKET_PREFIX = "base64url.bearer.authorization.k8s.io."
SUCCESS_TTL = 10.0  # seconds; upstream's TokenSuccessCacheTTL
MAX_CACHED = 10_000


class TokenError(Exception):
    """The token is of our kind, but bad. The text is what TokenReview shows."""


@dataclass(frozen=True, slots=True)
class Verified:
    """Whom a token names and for whom it is meant (empty: for anybody)."""

    user: User
    audiences: tuple[str, ...] = ()


TokenKind = Callable[[str, Sequence[str]], Verified | None]
"""One kind of bearer token: (token, audiences, any one of which will do) -> whom it names.

None: not a token of this kind. Raises TokenError.
"""


def static_tokens(users: Mapping[str, tuple[str, tuple[str, ...]]]) -> TokenKind:
    """Tokens of upstream's --token-auth-file: token -> (user, groups)."""
    known = {token: User(*user) for token, user in users.items()}
    return lambda token, meant: Verified(known[token], tuple(meant)) if token in known else None


class BootstrapTokens:
    """Tokens "id.secret" kept in Secrets of type bootstrap.kubernetes.io/token in kube-system."""

    def __init__(self, reader: Reader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock

    def verify(self, token: str, audiences: Sequence[str]) -> Verified | None:
        match = _BOOTSTRAP.fullmatch(token)
        if match is None:
            return None
        identifier, secret = match.groups()
        obj = self._reader.get(SECRETS, "kube-system", f"bootstrap-token-{identifier}")
        if obj is None or obj.get("type") != "bootstrap.kubernetes.io/token":
            return None
        matches = hmac.compare_digest(text(obj, "token-secret").encode(), secret.encode())
        if not matches or text(obj, "token-id") != identifier or meta.is_deleting(obj):
            return None
        may = text(obj, "usage-bootstrap-authentication") == "true"
        if not may or remaining(obj, self._clock.now()) == 0:
            return None
        groups = [group for group in text(obj, "auth-extra-groups").split(",") if group]
        if any(not group.startswith("system:bootstrappers:") for group in groups):
            return None
        groups = sorted({*groups, "system:bootstrappers"})
        return Verified(User(f"system:bootstrap:{identifier}", tuple(groups)), tuple(audiences))


class BearerTokens:
    """Authenticator: `Authorization: Bearer`, or a WebSocket sub-protocol that carries the token.

    - Kinds are asked in order; a token that none accepts is 401.
    - A success is remembered for ten seconds, so a repeat costs one look-up.
    """

    def __init__(self, kinds: Sequence[TokenKind], audiences: Sequence[str], clock: Clock) -> None:
        self._kinds = tuple(kinds)
        self.audiences = tuple(audiences)
        self._cache: Expiring[str, User] = Expiring(clock, MAX_CACHED)

    def authenticate(self, request: Request) -> User | None:
        header = request.headers.get("authorization")
        token = _bearer(header) if header else _from_websocket(request)
        if not token:
            return None
        if cached := self._cache.get(token):
            return cached
        try:
            found = self.verify(token, self.audiences)
        except TokenError as error:
            raise errors.unauthorized() from error
        if found is None:
            raise errors.unauthorized()
        return self._cache.put(token, found.user, SUCCESS_TTL)

    def verify(self, token: str, audiences: Sequence[str]) -> Verified | None:
        """Whom the token names. Raises TokenError if every kind that knows it finds it bad."""
        failures = []
        for kind in self._kinds:
            try:
                found = kind(token, audiences)
            except TokenError as error:
                failures.append(str(error))
                continue
            if found is not None:
                return Verified(with_authenticated(found.user), found.audiences)
        if failures:
            raise TokenError(errors.aggregate(failures))
        return None


def _bearer(header: str) -> str:
    scheme, _, token = header.strip().partition(" ")
    return token.split(" ")[0] if scheme.lower() == "bearer" else ""


def _from_websocket(request: Request) -> str:
    """The token among the offered sub-protocols; it is taken out so that nobody echoes it."""
    offered = request.headers.get("sec-websocket-protocol")
    if not offered or _WEBSOCKET_PREFIX not in offered:
        return ""
    names = [name.strip() for name in offered.split(",")]
    rest = [name for name in names if not name.startswith(_WEBSOCKET_PREFIX)]
    coded = next(name for name in names if name.startswith(_WEBSOCKET_PREFIX))
    if not rest:
        raise errors.unauthorized("missing additional subprotocol")
    request.headers["sec-websocket-protocol"] = ", ".join(rest)
    word = coded.removeprefix(_WEBSOCKET_PREFIX)
    try:
        return base64.urlsafe_b64decode(word + "=" * (-len(word) % 4)).decode()
    except ValueError as error:
        raise errors.unauthorized() from error
