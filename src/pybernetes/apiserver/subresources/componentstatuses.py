# SPDX-License-Identifier: Apache-2.0
"""componentstatuses (deprecated upstream): the store's health, which is the server's own."""

from pybernetes.apimachinery.errors import not_found
from pybernetes.apimachinery.types import Object
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.dispatch import not_allowed
from pybernetes.apiserver.rest.reply import object_reply
from pybernetes.wire.types import Response

_NAMES = ("etcd-0",)


def component_statuses(ctx: Context) -> Response:
    ctx.warnings.append("v1 ComponentStatus is deprecated in v1.19+")
    if ctx.info.verb == "get":
        if ctx.info.name not in _NAMES:
            raise not_found("componentstatuses", "", ctx.info.name)
        return object_reply(ctx, {**_type(""), **_status(ctx.info.name)})
    if ctx.info.verb != "list":
        raise not_allowed(ctx)
    meta = {"resourceVersion": str(ctx.core.feed.revision)}
    items = [_status(name) for name in _NAMES]
    return object_reply(ctx, {**_type("List"), "metadata": meta, "items": items})


def _type(suffix: str) -> Object:
    return {"kind": "ComponentStatus" + suffix, "apiVersion": "v1"}


def _status(name: str) -> Object:
    healthy = {"type": "Healthy", "status": "True", "message": "ok"}
    return {"metadata": {"name": name}, "conditions": [healthy]}
