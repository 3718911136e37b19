# SPDX-License-Identifier: Apache-2.0
"""Secret: base64 data of a type; stringData is only a way to write it."""

import base64
import json

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors, invalid, required, too_long
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, count, text
from pybernetes.apis.core.configmap import MAX_SIZE, decoded_size, validate_immutable_data
from pybernetes.apis.core.podspec.defaults import fill
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import IMMUTABLE
from pybernetes.apis.validation.names import config_key

OPAQUE = "Opaque"
TOKEN = "kubernetes.io/service-account-token"
ACCOUNT_NAME = "kubernetes.io/service-account.name"
_DOCKER = {
    "kubernetes.io/dockercfg": ".dockercfg",
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
}
_KEYS = {
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


def _default(secret: Object) -> None:
    fill(secret, {"type": OPAQUE})
    plain = secret.pop("stringData", None)
    if plain:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
        secret["data"] = {**(secret.get("data") or {}), **encoded}


def _validate(secret: Object) -> Errors:
    errors: Errors = []
    data = secret.get("data") or {}
    for key in data:
        errors.extend(invalid(f"data[{key}]", key, text) for text in config_key(key))
    if decoded_size(data) > MAX_SIZE:
        errors.append(too_long("data", MAX_SIZE))
    _content(secret, data, errors)
    return errors


def _content(secret: Object, data: dict[str, str], errors: Errors) -> None:
    """What each known type requires."""
    type_ = secret.get("type") or OPAQUE
    if type_ == TOKEN:
        if not meta.annotations(secret).get(ACCOUNT_NAME):
            errors.append(required(f"metadata.annotations[{ACCOUNT_NAME}]"))
    elif type_ in _DOCKER:
        _docker(_DOCKER[type_], data, errors)
    elif type_ == "kubernetes.io/basic-auth":
        if "username" not in data and "password" not in data:
            errors += [required("data[username]"), required("data[password]")]
    else:
        for key in _KEYS.get(type_, ()):
            if key not in data or (type_.endswith("ssh-auth") and not data[key]):
                errors.append(required(f"data[{key}]"))


def _docker(key: str, data: dict[str, str], errors: Errors) -> None:
    if key not in data:
        errors.append(required(f"data[{key}]"))
        return
    try:
        content = json.loads(base64.b64decode(data[key]))
    except ValueError as error:
        errors.append(invalid(f"data[{key}]", "<secret contents redacted>", str(error)))
        return
    if not isinstance(content, dict):
        text = "json: cannot unmarshal into Go value of type map[string]interface {}"
        errors.append(invalid(f"data[{key}]", "<secret contents redacted>", text))


def _validate_update(new: Object, old: Object) -> Errors:
    errors: Errors = []
    if new.get("type") != old.get("type"):
        errors.append(invalid("type", new.get("type"), IMMUTABLE))
    validate_immutable_data(new, old, ("data",), errors)
    return errors + _validate(new)


SECRET = Kind(
    default=_default,
    validate_create=_validate,
    validate_update=_validate_update,
    fields=lambda secret: {"type": secret.get("type") or ""},
    field_names=("type",),
    columns=(NAME, Column("Type", text("type")), Column("Data", count("data")), AGE),
)
