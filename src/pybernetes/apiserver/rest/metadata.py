# SPDX-License-Identifier: Apache-2.0
"""What holds for the metadata of every object: system fields, names, who set which field."""

from pybernetes.apimachinery import timestamps
from pybernetes.apimachinery.errors import bad_request
from pybernetes.apimachinery.patch import managedfields
from pybernetes.apimachinery.patch.managedfields import Writer
from pybernetes.apimachinery.types import Object
from pybernetes.apiserver.context import Context
from pybernetes.base.env import Env

MAX_GENERATED = 63 - 5  # a generateName is cut so that prefix and suffix fit a DNS label


def fill_system_fields(env: Env, metadata: Object) -> None:
    """uid and creationTimestamp; what only the server may set is dropped."""
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"):
        metadata.pop(name, None)
    metadata["uid"] = env.random.uuid()
    metadata["creationTimestamp"] = timestamps.rfc3339(env.clock.now())


def generate_name(env: Env, metadata: Object) -> None:
    """A name from generateName where there is none."""
    prefix = metadata.get("generateName")
    if prefix and not metadata.get("name"):
        metadata["name"] = prefix[:MAX_GENERATED] + env.random.suffix()


def match_namespace(metadata: Object, namespace: str, *, namespaced: bool) -> None:
    """The object's namespace is the request's. Raises 400."""
    given = metadata.get("namespace") or ""
    if not namespaced:
        if given:
            raise bad_request("namespace may not be set on a cluster-scoped object")
        metadata.pop("namespace", None)
        return
    if given and given != namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    metadata["namespace"] = namespace


_MAIN: Object = {"f:status": {}}
_STATUS: Object = {"f:spec": {}}


def writer(ctx: Context) -> Writer:
    """This request as an author of fields."""
    row, subresource = ctx.serving.row, ctx.info.subresource
    reset = None
    if "status" in row.subresources and subresource in ("", "status"):
        reset = _STATUS if subresource == "status" else _MAIN
    return Writer(
        manager=ctx.manager,
        api_version=row.gvr.api_version,
        schema=row.schema,
        time=timestamps.rfc3339(ctx.core.env.clock.now()),
        subresource=subresource,
        reset=reset,
    )


def record_update(ctx: Context, new: Object, old: Object | None) -> Object:
    """`new` with the manager of a create, update or patch entered; both in the served version."""
    return managedfields.update(old, new, writer(ctx))
