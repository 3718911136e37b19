# SPDX-License-Identifier: Apache-2.0
"""What types and fields mean, in upstream's sentences, for `kubectl explain`.

The texts are written by the build hook (hatch_build.py) and are not in the repository: a build
without their source has none, and everything works with empty descriptions.
"""

import gzip
from functools import cache
from importlib import resources

import orjson


@cache
def _by_name() -> dict[str, bytes]:
    try:
        packed = resources.files(__package__).joinpath("descriptions.jsonl.gz").read_bytes()
    except FileNotFoundError:
        return {}
    lines = gzip.decompress(packed).split(b"\n")
    pairs = (line.split(b"\t", 1) for line in lines if line)
    return {name.decode(): texts for name, texts in pairs}


def available() -> bool:
    return bool(_by_name())


def of_type(name: str) -> dict[str, str]:
    """Field -> text; the type's own text is under ""."""
    texts: dict[str, str] = orjson.loads(_by_name().get(name, b"{}"))
    return texts
