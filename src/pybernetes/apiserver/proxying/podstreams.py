# SPDX-License-Identifier: Apache-2.0
"""Which of a pod's containers is meant, and the kubelet's path and query for it (pure)."""

import urllib.parse
from collections.abc import Mapping, Sequence

from pybernetes.apimachinery import timestamps
from pybernetes.apimachinery.errors import bad_request, invalid
from pybernetes.apimachinery.types import Object
from pybernetes.apiserver.rest.options import findings, integer

Query = Mapping[str, Sequence[str]]
_LISTS = ("initContainers", "containers", "ephemeralContainers")


def flag(query: Query, name: str) -> bool:
    """A boolean parameter as upstream converts it: anything but false and 0 is true."""
    return name in query and query[name][0].lower() not in {"false", "0"}


def choose_container(pod: Object, asked: str) -> str:
    """The container's name. Raises ApiError 400 in upstream's words."""
    name = pod["metadata"]["name"]
    known = [c["name"] for part in _LISTS for c in pod["spec"].get(part) or ()]
    if asked:
        if asked not in known:
            raise bad_request(f"container {asked} is not valid for pod {name}")
        return asked
    containers = pod["spec"].get("containers") or []
    if len(containers) == 1:
        return str(containers[0]["name"])
    message = f"a container name must be specified for pod {name}"
    if containers:
        message += f", choose one of: [{' '.join(known)}]"
    raise bad_request(message)


def stream_path(pod: Object, action: str, container: str = "") -> str:
    meta = pod["metadata"]
    path = f"/{action}/{meta['namespace']}/{meta['name']}"
    return f"{path}/{container}" if container else path


def exec_query(query: Query) -> str:
    """PodExecOptions or PodAttachOptions in the kubelet's words."""
    names = (("stdin", "input"), ("stdout", "output"), ("stderr", "error"), ("tty", "tty"))
    pairs = [(theirs, "1") for ours, theirs in names if flag(query, ours)]
    pairs += [("command", word) for word in query.get("command", ())]
    return urllib.parse.urlencode(pairs)


def forward_query(query: Query) -> str:
    ports = [port for value in query.get("ports", ()) for port in value.split(",")]
    for port in ports:
        integer(port)
    return urllib.parse.urlencode({"port": ",".join(ports)}) if ports else ""


def log_query(name: str, query: Query) -> str:
    """PodLogOptions, checked, for the kubelet. Raises ApiError 400 or 422."""
    numbers = {
        key: integer(query[key][0])
        for key in ("sinceSeconds", "tailLines", "limitBytes")
        if query.get(key, [""])[0]
    }
    since = query.get("sinceTime", [""])[0]
    stream = query.get("stream", [""])[0] or "All"
    if since:
        try:
            timestamps.parse(since)
        except ValueError as error:
            raise bad_request(f"invalid sinceTime: {error}") from error
    errors = findings("log", {**numbers, "sinceTime": since or None, "stream": stream})
    if errors:
        raise invalid("PodLogOptions", "", name, errors)
    pairs = [(key, "true") for key in ("follow", "previous", "timestamps") if flag(query, key)]
    pairs += [(key, str(value)) for key, value in numbers.items()]
    if since:
        pairs.append(("sinceTime", since))
    if stream != "All":
        pairs.append(("stream", stream))
    return urllib.parse.urlencode(pairs)
