# SPDX-License-Identifier: Apache-2.0
"""The hash that names a revision of a pod template."""

import hashlib
import json
from typing import Any

HASH_LABEL = "pod-template-hash"
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def revision_hash(value: Any, collisions: int | None = None) -> str:
    """A short name for a template, the same in every process (upstream's ComputeHash).

    Ten characters of upstream's safe alphabet: no vowels, so that no words appear.
    """
    text = json.dumps([value, collisions], sort_keys=True, separators=(",", ":"))
    number = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
    letters = []
    for _ in range(10):
        number, rest = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[rest])
    return "".join(letters)
