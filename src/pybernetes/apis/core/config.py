# SPDX-License-Identifier: Apache-2.0
"""ConfigMap, Secret and ServiceAccount: what pods are told and who they are.

A Secret's data is base64 of a type; stringData is only a way to write it. A ServiceAccount's
references to secrets are names, nothing more.
"""

import base64
import json

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import too_long
from pybernetes.apimachinery.types import Object
from pybernetes.apis.validation.names import config_key
from pybernetes.apis.validation.part import Part

MAX_SIZE = 1024 * 1024
OPAQUE = "Opaque"
TOKEN = "kubernetes.io/service-account-token"
ACCOUNT_NAME = "kubernetes.io/service-account.name"
_IMMUTABLE = "field is immutable when `immutable` is set"
_DOCKER = {
    "kubernetes.io/dockercfg": ".dockercfg",
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
}
_KEYS = {
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


def _decoded_size(data: dict[str, str]) -> int:
    """How many bytes base64 values hold."""
    return sum(len(value) * 3 // 4 - value[-2:].count("=") for value in data.values())


def _keys(part: Part, field: str) -> dict[str, str]:
    data = part.get(field) or {}
    for key in data:
        part.wrong(f"{field}[{key}]", key, config_key(key))
    return data


def validate_kept(part: Part, old: Object) -> None:
    """What `immutable: true` forbids, itself included."""
    if not old.get("immutable"):
        return
    if not part.get("immutable"):
        part.forbidden("immutable", _IMMUTABLE)
    for field in ("data", "binaryData"):
        if (part.get(field) or {}) != (old.get(field) or {}):
            part.forbidden(field, _IMMUTABLE)


def validate_config_map(part: Part) -> None:
    data, binary = _keys(part, "data"), _keys(part, "binaryData")
    for key in data:
        if key in binary:
            part.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    size = sum(len(value.encode()) for value in data.values()) + _decoded_size(binary)
    if size > MAX_SIZE:
        part.errors.append(too_long("", MAX_SIZE))


def size(config: Object, _: object) -> int:
    return len(config.get("data") or ()) + len(config.get("binaryData") or ())


def default_secret(secret: Object) -> None:
    """stringData becomes data."""
    plain = secret.pop("stringData", None)
    if plain:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
        secret["data"] = {**(secret.get("data") or {}), **encoded}


def validate_secret(part: Part) -> None:
    data = _keys(part, "data")
    if _decoded_size(data) > MAX_SIZE:
        part.errors.append(too_long("data", MAX_SIZE))
    type_ = part.get("type") or OPAQUE
    if type_ == TOKEN:
        if not meta.annotations(part.obj).get(ACCOUNT_NAME):
            part.required(f"metadata.annotations[{ACCOUNT_NAME}]")
    elif type_ in _DOCKER:
        _docker(part, data, _DOCKER[type_])
    elif type_ == "kubernetes.io/basic-auth":
        if "username" not in data and "password" not in data:
            part.required("data[username]")
            part.required("data[password]")
    else:
        for key in _KEYS.get(type_, ()):
            if key not in data or (type_.endswith("ssh-auth") and not data[key]):
                part.required(f"data[{key}]")


def _docker(part: Part, data: dict[str, str], key: str) -> None:
    at, shown = f"data[{key}]", "<secret contents redacted>"
    if key not in data:
        part.required(at)
        return
    try:
        content = json.loads(base64.b64decode(data[key]))
    except ValueError as error:
        part.invalid(at, shown, str(error))
        return
    if not isinstance(content, dict):
        text = "json: cannot unmarshal into Go value of type map[string]interface {}"
        part.invalid(at, shown, text)


def prepare_account(account: Object, _: Object | None = None) -> None:
    if account.get("secrets"):
        names = [reference.get("name") for reference in account["secrets"]]
        account["secrets"] = [{"name": name} if name else {} for name in names]
