# SPDX-License-Identifier: Apache-2.0
"""The machine's own resolvers, as resolv.conf names them."""

from pathlib import Path

RESOLV_CONF = Path("/etc/resolv.conf")
_SYSTEMD = Path("/run/systemd/resolve/resolv.conf")  # what its loopback resolver asks itself


def read(path: Path = RESOLV_CONF) -> str:
    """Its text; where it asks resolvers on loopback alone, the text with what these ask."""
    own, uplinks = _text(path), _text(_SYSTEMD)
    servers = nameservers(own)
    stub = bool(servers) and all(address.startswith("127.") for address in servers)
    return uplinks if stub and nameservers(uplinks) else own


def nameservers(text: str) -> list[str]:
    """The addresses that a resolv.conf lists."""
    rows = [line.split() for line in text.splitlines()]
    return [row[1] for row in rows if len(row) > 1 and row[0] == "nameserver"]


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
