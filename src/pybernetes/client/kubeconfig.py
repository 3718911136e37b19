# SPDX-License-Identifier: Apache-2.0
"""kubeconfig files: which cluster, as whom. Read for the client; merged and written for the CLI.

Left out, and refused by name: exec and auth-provider plugins, proxy-url, tls-server-name, basic authentication.
"""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pybernetes.apimachinery.types import Object
from pybernetes.base.errors import Told
from pybernetes.base.files import write_private

_UNSUPPORTED_USER = ("exec", "auth-provider", "username", "password")
_UNSUPPORTED_CLUSTER = ("proxy-url", "tls-server-name")


class KubeconfigError(Told):
    """The file, or what it says, cannot be used."""


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """How to reach an API server and what to show it. Certificates and keys are PEM."""

    server: str
    ca: bytes = b""  # empty: the machine's CAs
    certificate: bytes = b""
    key: bytes = b""
    token: str = ""
    namespace: str = "default"
    insecure: bool = False  # do not verify the server's certificate
    impersonate: str = ""
    impersonate_groups: tuple[str, ...] = ()


def read(path: Path) -> Object:
    """The file as a Config object; an empty Config where there is no file."""
    try:
        found = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        found = None
    except (OSError, yaml.YAMLError) as error:
        raise KubeconfigError(f"{path}: {error}") from error
    config: Object = {"apiVersion": "v1", "kind": "Config", "preferences": {}}
    config |= {"clusters": [], "contexts": [], "users": [], "current-context": ""}
    if found is None:
        return config
    if not isinstance(found, dict):
        raise KubeconfigError(f"{path}: not a kubeconfig file")
    return config | {key: value for key, value in found.items() if value is not None}


def write(path: Path, config: Object) -> None:
    """Replace the file at once; only its owner may read it."""
    write_private(path, yaml.safe_dump(config, sort_keys=False))


def load(path: Path, context: str = "") -> ClusterConfig:
    """The cluster and user of `context` (default: the current one). Raises KubeconfigError."""
    config = read(path)
    wanted = context or config["current-context"]
    if not wanted:
        raise KubeconfigError(f"{path}: no current context is set")
    chosen = _named(config["contexts"], wanted, "context", path)
    cluster = _named(config["clusters"], chosen.get("cluster", ""), "cluster", path)
    user = _named(config["users"], chosen["user"], "user", path) if chosen.get("user") else {}
    _refuse(path, cluster, _UNSUPPORTED_CLUSTER)
    _refuse(path, user, _UNSUPPORTED_USER)
    if not cluster.get("server"):
        raise KubeconfigError(f"{path}: cluster {chosen['cluster']!r} has no server")
    return ClusterConfig(
        server=cluster["server"],
        ca=_data(path, cluster, "certificate-authority"),
        certificate=_data(path, user, "client-certificate"),
        key=_data(path, user, "client-key"),
        token=user.get("token") or _data(path, user, "tokenFile").decode().strip(),
        namespace=chosen.get("namespace") or "default",
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        impersonate=user.get("as", ""),
        impersonate_groups=tuple(user.get("as-groups") or ()),
    )


def merge_context(path: Path, name: str, cluster: Object, user: Object) -> None:
    """Add (or replace) cluster, user and context `name`, and make the context the current one.

    `cluster` and `user` are what stands behind these words in the file.
    """
    config = read(path)
    _put(config["clusters"], name, "cluster", cluster)
    _put(config["users"], name, "user", user)
    _put(config["contexts"], name, "context", {"cluster": name, "user": name})
    config["current-context"] = name
    write(path, config)


def remove_context(path: Path, name: str) -> None:
    """Take cluster, user and context `name` out; other entries stay as they are."""
    if not path.exists():
        return
    config = read(path)
    for section in ("clusters", "users", "contexts"):
        config[section] = [item for item in config[section] if item.get("name") != name]
    if config["current-context"] == name:
        config["current-context"] = ""
    write(path, config)


def inline(data: bytes) -> str:
    """Bytes as the *-data fields hold them."""
    return base64.b64encode(data).decode()


def _put(items: list[Object], name: str, word: str, value: Object) -> None:
    entry = {"name": name, word: value}
    for number, item in enumerate(items):
        if item.get("name") == name:
            items[number] = entry
            return
    items.append(entry)


def _named(items: list[Object], name: str, word: str, path: Path) -> Object:
    for item in items:
        if item.get("name") == name:
            return item.get(word) or {}
    raise KubeconfigError(f"{path}: {word} {name!r} does not exist")


def _refuse(path: Path, entry: Object, fields: tuple[str, ...]) -> None:
    for field in fields:
        if entry.get(field):
            raise KubeconfigError(f"{path}: {field!r} is not supported")


def _data(path: Path, entry: Object, field: str) -> bytes:
    """`field`-data, or the content of the file that `field` names (relative to the kubeconfig)."""
    inlined: Any = entry.get(f"{field}-data")
    try:
        if inlined:
            return base64.b64decode(inlined, validate=True)
        named = entry.get(field)
        return (path.parent / named).read_bytes() if named else b""
    except (OSError, ValueError) as error:
        raise KubeconfigError(f"{path}: {field}: {error}") from error
