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

ALLOWED_NAME = "front-proxy-client"
USERNAME, GROUP, UID, EXTRA = "X-Remote-User", "X-Remote-Group", "X-Remote-Uid", "X-Remote-Extra-"
_USERNAME, _GROUP, _UID, _EXTRA = (name.lower() for name in (USERNAME, GROUP, UID, EXTRA))


class FrontProxy:
    """Authenticator: users named in headers. The headers are taken off a request that used them.

    Values of one header arrive joined by ", ", so a group's name cannot contain that.
    """

    def __init__(self, config: Config, clock: Clock) -> None:
        self._verifier = ChainVerifier(config.requestheader_client_ca, clock)

    def authenticate(self, request: Request) -> User | None:
        leaf, headers = self._verifier.leaf(request), request.headers
        if not leaf or tls.identity(leaf)[0] != ALLOWED_NAME or not headers.get(_USERNAME):
            return None
        name, group, uid = (headers.pop(header, "") for header in (_USERNAME, _GROUP, _UID))
        extra: dict[str, list[str]] = {}
        for header in [key for key in headers if key.startswith(_EXTRA)]:
            key = unquote(header.removeprefix(_EXTRA)).lower()
            extra.setdefault(key, []).extend(headers.pop(header).split(", "))
        return User(name, tuple(filter(None, group.split(", "))), uid, extra_of(extra))
