# SPDX-License-Identifier: Apache-2.0
"""Decides which tokens sign cluster-info, and when a token is over. Pure.

Tokens are Secrets of type bootstrap.kubernetes.io/token, named bootstrap-token-ID.
"""

import base64
import datetime
import hashlib
import hmac
from collections.abc import Sequence

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.timestamps import parse
from pybernetes.apimachinery.types import Object

SIGNATURE_PREFIX = "jws-kubeconfig-"


def _text(secret: Object, key: str) -> str:
    try:
        return base64.b64decode((secret.get("data") or {}).get(key) or "").decode()
    except ValueError:
        return ""


def remaining(secret: Object, now: datetime.datetime) -> float | None:
    """Seconds until the token ends (0: it has, or its end cannot be read); None: it has no end."""
    end = _text(secret, "expiration")
    if not end:
        return None
    try:
        return max(0.0, (parse(end) - now).total_seconds())
    except ValueError:
        return 0.0


def signed(
    cluster_info: Object, secrets: Sequence[Object], now: datetime.datetime
) -> Object | None:
    """The ConfigMap with a signature of its kubeconfig for every token that may sign.

    None: it holds them already, or there is nothing to sign.
    """
    data = cluster_info.get("data") or {}
    if "kubeconfig" not in data:
        return None
    wanted = {key: text for key, text in data.items() if not key.startswith(SIGNATURE_PREFIX)}
    for secret in secrets:
        identifier, key = _text(secret, "token-id"), _text(secret, "token-secret")
        named = meta.name(secret) == f"bootstrap-token-{identifier}" and len(identifier) == 6
        may = _text(secret, "usage-bootstrap-signing") == "true" and remaining(secret, now) != 0
        if named and key and may:
            wanted[SIGNATURE_PREFIX + identifier] = detached(data["kubeconfig"], identifier, key)
    return {**cluster_info, "data": wanted} if wanted != data else None


def detached(content: str, identifier: str, key: str) -> str:
    """A compact JWS (HS256) of `content` with the content itself left out."""
    header = _base64url(f'{{"alg":"HS256","kid":"{identifier}"}}'.encode())
    message = f"{header}.{_base64url(content.encode())}"
    signature = hmac.digest(key.encode(), message.encode(), hashlib.sha256)
    return f"{header}..{_base64url(signature)}"


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
