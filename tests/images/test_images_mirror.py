# SPDX-License-Identifier: Apache-2.0
"""The mirror asks containerd only about what can be the name of an image."""

import pytest

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
    monkeypatch: pytest.MonkeyPatch, path: str, query: str, asked: str
) -> None:
    filters: list[str] = []

    async def ctr(_socket: str, *words: str) -> str:
        filters.append(words[-1])
        return "REF TYPE DIGEST\n"

    monkeypatch.setattr(mirror, "ctr", ctr)
    answer = await mirror.answer("c.sock", Request("GET", path, path, query))
    assert answer.status == 404
    assert filters == ([asked] if asked else [])
