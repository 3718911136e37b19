# SPDX-License-Identifier: Apache-2.0
"""Client certificates: the common name is the user, organizations are the groups. And front proxies:
they have certificates of a CA of their own, and say in headers who calls.

Python's ssl checked the peer against the union of all client CAs, so a chain is checked again here
against the one CA that may vouch for users or for front proxies.
"""

import datetime
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import unquote

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID

from pybernetes.apimachinery.types import User
from pybernetes.apiserver.authentication.users import CREDENTIAL_ID, extra_of
from pybernetes.apiserver.config import Config
from pybernetes.base import tls
from pybernetes.base.clock import Clock
from pybernetes.wire.types import Request

MAX_CHAIN = 8
ALLOWED_NAME = "front-proxy-client"
USERNAME, GROUP, UID, EXTRA = "X-Remote-User", "X-Remote-Group", "X-Remote-Uid", "X-Remote-Extra-"
_USERNAME, _GROUP, _UID, _EXTRA = (name.lower() for name in (USERNAME, GROUP, UID, EXTRA))


class ChainVerifier:
    """Says whether a DER chain (leaf first) leads to one of `ca`'s certificates (PEM, one or more).

    The answer is remembered: acceptance until a certificate of the chain ends.
    """

    def __init__(self, ca: bytes, clock: Clock) -> None:
        self._roots = x509.load_pem_x509_certificates(ca)
        self._clock = clock
        self._ends = lru_cache(10_000)(self._end_of)

    def leaf(self, request: Request) -> bytes | None:
        """The certificate of a caller whose chain leads to us."""
        chain = request.peer.certificates
        end = self._ends(chain) if chain else 0
        return chain[0] if end > 0 and self._clock.time() <= end else None

    def _end_of(self, chain: tuple[bytes, ...]) -> float:
        """When the chain ends, in seconds since the epoch; 0 if it does not lead to us."""
        try:
            certificates = [x509.load_der_x509_certificate(der) for der in chain[:MAX_CHAIN]]
        except ValueError:
            return 0
        moment = self._clock.now()
        leaf = certificates[0]
        if not _is_current(leaf, moment) or not _for_clients(leaf):
            return 0
        end = leaf.not_valid_after_utc.timestamp()
        pool = certificates[1:]
        for _ in range(MAX_CHAIN):
            root = _issuer(leaf, self._roots, moment)
            if root is not None:
                return min(end, root.not_valid_after_utc.timestamp())
            above = _issuer(leaf, pool, moment)
            if above is None:
                return 0
            pool = [item for item in pool if item is not above]
            end = min(end, above.not_valid_after_utc.timestamp())
            leaf = above
        return 0


def _issuer(
    leaf: x509.Certificate, candidates: Sequence[x509.Certificate], moment: datetime.datetime
) -> x509.Certificate | None:
    for candidate in candidates:
        if not _is_authority(candidate) or not _is_current(candidate, moment):
            continue
        try:
            leaf.verify_directly_issued_by(candidate)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return candidate
    return None


def _is_current(certificate: x509.Certificate, moment: datetime.datetime) -> bool:
    return certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        found = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except (x509.ExtensionNotFound, ValueError):
        return False
    return found.value.ca


def _for_clients(certificate: x509.Certificate) -> bool:
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except ValueError:
        return False
    wanted = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    return any(usage in wanted for usage in usages)


class ClientCertificates:
    """Authenticator: users by certificates of the client CA."""

    def __init__(self, ca: bytes, clock: Clock) -> None:
        self._verifier = ChainVerifier(ca, clock)
        self._users = lru_cache(10_000)(_user)

    def authenticate(self, request: Request) -> User | None:
        leaf = self._verifier.leaf(request)
        user = self._users(leaf) if leaf else None
        return user if user and user.name else None


def _user(leaf: bytes) -> User:
    name, groups = tls.identity(leaf)
    digest = hashlib.sha256(leaf).hexdigest()
    return User(name, tuple(groups), "", ((CREDENTIAL_ID, (f"X509SHA256={digest}",)),))


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
