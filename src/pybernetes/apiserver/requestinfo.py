# SPDX-License-Identifier: Apache-2.0
"""From method, path and query to RequestInfo (upstream's RequestInfoFactory)."""

from functools import lru_cache

from pybernetes.apiserver.types import RequestInfo

_VERBS = {
    "GET": "get",
    "HEAD": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_BY_NAME = "metadata.name="
_NAMESPACE_SUBRESOURCES = ("status", "finalize")


def verb_of(method: str) -> str:
    """The API's verb for an HTTP method, as long as nothing else of the request changes it."""
    return _VERBS.get(method, method.lower())


def _parts(path: str) -> tuple[str, str, list[str]] | None:
    """(group, version, the rest) of an API path; None for any other path."""
    parts = [part for part in path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "api":
        return "", parts[1], parts[2:]
    if len(parts) >= 4 and parts[0] == "apis":
        return parts[1], parts[2], parts[3:]
    return None


@lru_cache(maxsize=8192)
def parse(method: str, path: str, watch: bool, selector: str = "") -> RequestInfo:
    """What is asked for. `watch`: the query says watch=true; `selector`: its fieldSelector.

    A list or watch of metadata.name=NAME counts as that object; a write never does.
    """
    split = _parts(path)
    if split is None:
        return RequestInfo(method.lower(), path)
    group, version, parts = split
    verb = verb_of(method)
    if parts[0] in ("watch", "proxy") and len(parts) > 1:  # the deprecated /watch/ paths
        verb, parts = parts[0], parts[1:]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
            parts = parts[2:]
    resource, name, subresource = [*parts, "", ""][:3]
    if not name and verb == "get":
        verb = "list"
    if not name and verb == "delete":
        verb = "deletecollection"
    if watch and verb in ("list", "get") and not subresource:
        verb = "watch"
    if not name and verb in ("list", "watch") and selector.startswith(_BY_NAME):
        name = "" if "," in selector else selector[len(_BY_NAME) :].removeprefix("=")
    return RequestInfo(verb, path, True, group, version, resource, subresource, namespace, name)
