# SPDX-License-Identifier: Apache-2.0
"""The connecting subresources as rows of the server's table: authorised, admitted, then passed on."""

from collections.abc import Mapping
from dataclasses import replace

from pybernetes.apimachinery.errors import not_found
from pybernetes.apimachinery.types import GVK, GVR, Object
from pybernetes.apiserver.authorization.forbidden import forbidden_error
from pybernetes.apiserver.context import Context, Core
from pybernetes.apiserver.proxying.podstreams import flag
from pybernetes.apiserver.proxying.proxying import CONNECT, Proxying
from pybernetes.apiserver.reader import CacheReader
from pybernetes.apiserver.requestinfo import verb_of
from pybernetes.apiserver.rest import admit
from pybernetes.apiserver.rest.registry import Verb
from pybernetes.apiserver.types import AdmissionRequest, Authorizer
from pybernetes.wire.types import Reply

_OPTIONS = {  # what admission sees; pods/log is read, not connected to
    ("pods", "exec"): "PodExecOptions",
    ("pods", "attach"): "PodAttachOptions",
    ("pods", "portforward"): "PodPortForwardOptions",
    ("pods", "proxy"): "PodProxyOptions",
    ("services", "proxy"): "ServiceProxyOptions",
    ("nodes", "proxy"): "NodeProxyOptions",
}
_STREAMS = frozenset({"exec", "attach", "portforward"})

Table = Mapping[tuple[str, str, str], Mapping[str, Verb]]


def connect_table(core: Core, reader: CacheReader, authorizer: Authorizer) -> Table:
    """(group, resource, subresource) -> verb -> code, for every row of CONNECT."""

    def get(gvr: GVR, namespace: str, name: str) -> Object:
        obj = reader.get(gvr, namespace, name)
        if obj is None:
            raise not_found(gvr.resource, gvr.group, name)
        return obj

    proxying = Proxying(core.env, get, core.dialer, reader.list)

    async def connect(core: Core, ctx: Context) -> Reply:
        info = ctx.info
        if info.subresource in _STREAMS and info.verb != "create":
            _may_create(authorizer, ctx)
        await core.feed.wait_fresh()
        await _admit(core, ctx)
        return await proxying.handle(ctx.request, info)

    return {
        ("", resource, subresource): dict.fromkeys(map(verb_of, sorted(methods)), connect)
        for (resource, subresource), methods in CONNECT.items()
    }


def _may_create(authorizer: Authorizer, ctx: Context) -> None:
    """A WebSocket is opened by GET, but what it does is create (AuthorizePodWebsocketUpgradeCreatePermission)."""
    info = replace(ctx.info, verb="create")
    decision, reason = authorizer.authorize(ctx.user, info)
    if decision != "allow":
        raise forbidden_error(ctx.user, info, reason)


async def _admit(core: Core, ctx: Context) -> None:
    kind = _OPTIONS.get((ctx.info.resource, ctx.info.subresource))
    if kind is None:
        return
    request = AdmissionRequest(
        operation="CONNECT",
        resource=ctx.serving.row,
        gvk=GVK("", "v1", kind),
        name=ctx.info.name,
        namespace=ctx.info.namespace,
        subresource=ctx.info.subresource,
        obj=_options(ctx, kind),
        old=None,
        user=ctx.user,
    )
    await admit.both(core, ctx, request)


def _options(ctx: Context, kind: str) -> Object:
    """The query as the options object that upstream decodes it to."""
    query = ctx.params
    options: Object = {"kind": kind, "apiVersion": "v1"}
    if kind.endswith("ProxyOptions"):
        options["path"] = f"/{ctx.info.rest}" if ctx.info.rest else ""
    elif kind == "PodPortForwardOptions":
        ports = [port for value in query.get("ports", ()) for port in value.split(",")]
        options["ports"] = [int(port) for port in ports if port.isdigit()]
    else:
        options |= {
            name: True for name in ("stdin", "stdout", "stderr", "tty") if flag(query, name)
        }
        if query.get("container"):
            options["container"] = query["container"][0]
        if kind == "PodExecOptions":
            options["command"] = list(query.get("command", ()))
    return options
