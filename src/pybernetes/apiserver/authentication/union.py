# SPDX-License-Identifier: Apache-2.0
"""All authenticators of a server, asked in upstream's order; the first that knows the caller wins."""

from collections.abc import Sequence
from functools import lru_cache

from pybernetes.apimachinery import errors
from pybernetes.apimachinery.types import Object, User
from pybernetes.apiserver.authentication.keys import VerifyKey
from pybernetes.apiserver.authentication.serviceaccount import ServiceAccountTokens
from pybernetes.apiserver.authentication.token import (
    BearerTokens,
    BootstrapTokens,
    TokenError,
    static_tokens,
)
from pybernetes.apiserver.authentication.users import NOBODY, with_authenticated
from pybernetes.apiserver.authentication.x509 import ClientCertificates, FrontProxy
from pybernetes.apiserver.config import Config
from pybernetes.apiserver.reading import Reader
from pybernetes.apiserver.types import Authenticator
from pybernetes.base.clock import Clock
from pybernetes.wire.types import Request


class Union:
    """Authenticator of the whole server.

    In-process callers are trusted to say who they are (`Request.identity`). Everybody known gets
    the group system:authenticated. Without an answer the caller is anonymous, or refused with 401.
    """

    def __init__(self, members: Sequence[Authenticator], *, anonymous: bool) -> None:
        self._members = tuple(members)
        self._anonymous = anonymous
        self._full = lru_cache(10_000)(with_authenticated)

    def authenticate(self, request: Request) -> User:
        if isinstance(request.identity, User):
            return self._full(request.identity)
        for member in self._members:
            user = member.authenticate(request)
            if user is not None:
                return self._full(user)
        if self._anonymous:
            return NOBODY
        raise errors.unauthorized()


def bearer_tokens(
    config: Config, keys: Sequence[VerifyKey], reader: Reader, clock: Clock
) -> BearerTokens:
    """The token authenticators that a configuration asks for; TokenReview asks these alone."""
    kinds = [
        static_tokens(config.token_users),
        ServiceAccountTokens((config.service_account_issuer,), keys, reader, clock).verify,
        BootstrapTokens(reader, clock).verify,
    ]
    return BearerTokens(kinds, config.audiences, clock)


def build(config: Config, bearer: BearerTokens, clock: Clock) -> Union:
    """Upstream's order: front proxy, client certificate, bearer token."""
    members: list[Authenticator] = []
    if config.requestheader_client_ca:
        members.append(FrontProxy(config, clock))
    if config.client_ca:
        members.append(ClientCertificates(config.client_ca, clock))
    members.append(bearer)
    return Union(members, anonymous=config.anonymous_auth)


def review_token(bearer: BearerTokens, obj: Object) -> Object:
    """Answer a TokenReview: the object with its status. Raises ApiError 400 without a token."""
    spec = obj.get("spec") or {}
    token = spec.get("token")
    if not token:
        raise errors.bad_request("token is required for TokenReview in authentication")
    try:
        found = bearer.verify(token, spec.get("audiences") or bearer.audiences)
        problem = "invalid bearer token"
    except TokenError as error:
        found, problem = None, f"[invalid bearer token, {error}]"
    if found is None:
        return {**obj, "status": {"error": problem}}
    status = {"authenticated": True, "user": found.user.info(), "audiences": [*found.audiences]}
    return {**obj, "status": status}
