# SPDX-License-Identifier: Apache-2.0
"""Bootstrap tokens, kept in Secrets: what one says, and until when."""

import base64
import datetime

from pybernetes.apimachinery.timestamps import parse
from pybernetes.apimachinery.types import Object


def text(secret: Object, key: str) -> str:
    """A value of a Secret's data; "" where it is missing or no text."""
    try:
        return base64.b64decode((secret.get("data") or {}).get(key) or "").decode()
    except ValueError:
        return ""


def remaining(secret: Object, now: datetime.datetime) -> float | None:
    """Seconds until the token ends (0: it has, or its end cannot be read); None: it has no end."""
    end = text(secret, "expiration")
    if not end:
        return None
    try:
        return max(0.0, (parse(end) - now).total_seconds())
    except ValueError:
        return 0.0
