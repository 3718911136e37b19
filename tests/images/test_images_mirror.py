# SPDX-License-Identifier: Apache-2.0
"""The mirror asks containerd only about what can be the name of an image."""

from pathlib import Path

import pytest

from pybernetes.base.env import Env
from pybernetes.images import mirror
from pybernetes.wire.types import Request

GOOD = "/v2/library/app/manifests/1.0"


@pytest.mark.parametrize(
    ("path", "query", "asked"),
    [
        (GOOD, "ns=docker.io", 'name=="docker.io/library/app:1.0"'),
        (GOOD, "ns=[::1]:5000", 'name=="[::1]:5000/library/app:1.0"'),
        ('/v2/a",name!="/manifests/1', "ns=docker.io", ""),
        ('/v2/a/manifests/1"', "ns=docker.io", ""),
        (GOOD, 'ns=x",name!="', ""),
        (GOOD, "", ""),
    ],
)
async def test_only_names_reach_containerd(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: str, query: str, asked: str
) -> None:
    filters: list[str] = []

    async def ctr(_socket: str, *words: str) -> str:
        filters.append(words[-1])
        return "REF TYPE DIGEST\n"

    monkeypatch.setattr(mirror, "ctr", ctr)
    listener = mirror.Mirror(Env(), "c.sock", tmp_path)
    answer = await listener._answer(Request("GET", path, path, query))
    assert answer.status == 404
    assert filters == ([asked] if asked else [])
