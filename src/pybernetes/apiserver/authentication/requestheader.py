# SPDX-License-Identifier: Apache-2.0
"""Front proxies: a proxy with a certificate of its own CA says in headers who calls."""

from urllib.parse import unquote

from pybernetes.apimachinery.types import User
from pybernetes.apiserver.authentication.users import extra_of
from pybernetes.apiserver.authentication.x509 import ChainVerifier
from pybernetes.apiserver.config import Config
from pybernetes.base import tls
from pybernetes.base.clock import Clock
from pybernetes.wire.types import Request


class FrontProxy:
    """Authenticator: users named in headers. The headers are taken off a request that used them.

    Values of one header arrive joined by ", ", so a group's name cannot contain that.
    """

    def __init__(self, config: Config, clock: Clock) -> None:
        self._verifier = ChainVerifier(config.requestheader_client_ca, clock)
        self._allowed = config.requestheader_allowed_names  # empty: every name
        self._username = _lower(config.requestheader_username_headers)
        self._group = _lower(config.requestheader_group_headers)
        self._uid = ("x-remote-uid",)
        self._extra = _lower(config.requestheader_extra_headers_prefix)

    def authenticate(self, request: Request) -> User | None:
        chain = request.peer.certificates
        if not chain or not self._verifier.verify(chain):
            return None
        if self._allowed and tls.identity(chain[0])[0] not in self._allowed:
            return None
        name = _first(request.headers, self._username)
        if not name:
            return None
        user = User(
            name, self._groups(request), _first(request.headers, self._uid), self._extras(request)
        )
        for header in [*self._username, *self._group, *self._uid]:
            request.headers.pop(header, None)
        for header in [key for key in request.headers if key.startswith(self._extra)]:
            del request.headers[header]
        return user

    def _groups(self, request: Request) -> tuple[str, ...]:
        found = (request.headers.get(header, "") for header in self._group)
        return tuple(group for text in found for group in text.split(", ") if group)

    def _extras(self, request: Request) -> tuple[tuple[str, tuple[str, ...]], ...]:
        result: dict[str, list[str]] = {}
        for prefix in self._extra:
            for header, text in request.headers.items():
                if header.startswith(prefix):
                    key = unquote(header.removeprefix(prefix)).lower()
                    result.setdefault(key, []).extend(text.split(", "))
        return extra_of(result)


def _lower(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)


def _first(headers: dict[str, str], names: tuple[str, ...]) -> str:
    return next((headers[name] for name in names if headers.get(name)), "")
