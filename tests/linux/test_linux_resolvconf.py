# SPDX-License-Identifier: Apache-2.0
"""Whom the machine asks for names."""

from pathlib import Path

import pytest

from pybernetes.linux import resolvconf


@pytest.mark.parametrize(
    ("own", "uplinks", "found"),
    [
        ("nameserver 192.0.2.1\nnameserver\n", "nameserver 192.0.2.9\n", ["192.0.2.1"]),
        ("nameserver 127.0.0.53\n", "nameserver 192.0.2.9\n", ["192.0.2.9"]),
        ("nameserver 127.0.0.53\n", "search example.org\n", ["127.0.0.53"]),
        ("nameserver 127.0.0.53\nnameserver 192.0.2.1\n", "nameserver 192.0.2.9\n",
         ["127.0.0.53", "192.0.2.1"]),
        ("", "nameserver 192.0.2.9\n", []),
    ],
)  # fmt: skip
def test_resolvers_on_loopback_give_way_to_those_they_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, uplinks: str, found: list[str]
) -> None:
    monkeypatch.setattr(resolvconf, "_SYSTEMD", tmp_path / "uplinks")
    (tmp_path / "uplinks").write_text(uplinks)
    (tmp_path / "own").write_text(own)
    assert resolvconf.nameservers(resolvconf.read(tmp_path / "own")) == found
    assert resolvconf.read(tmp_path / "missing") == ""
