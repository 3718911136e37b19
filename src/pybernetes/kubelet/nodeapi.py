# SPDX-License-Identifier: Apache-2.0
"""What the kubelet's listener asks, answered from the kubelet's parts."""

import contextlib
import dataclasses
import html
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pybernetes.apimachinery import errors
from pybernetes.apimachinery.timestamps import rfc3339
from pybernetes.apimachinery.types import Object
from pybernetes.cri.types import Container, CriError, NotFound, Streams, Unsupported
from pybernetes.kubelet import naming, summary
from pybernetes.kubelet.logs import reader
from pybernetes.kubelet.logs.reader import Wanted
from pybernetes.kubelet.pods.workers import Workers
from pybernetes.kubelet.stats import Gatherer
from pybernetes.kubelet.summary import Page
from pybernetes.kubelet.tools import Tools


class NodeView:
    """The node behind the listener. Every method raises ApiError (its code and message are shown).

    `pod` is the Pod object found by `pod()`; the listener has checked that `container` is in it.
    """

    def __init__(self, tools: Tools, workers: Workers, gatherer: Gatherer) -> None:
        self._tools = tools
        self._workers = workers
        self._gatherer = gatherer
        self._start = rfc3339(tools.env.clock.now())

    def pods(self) -> list[Object]:
        found = [record.pod for record in self._workers.records() if not record.gone]
        return [self._with_status(pod) for pod in found]

    def pod(self, namespace: str, name: str) -> Object | None:
        found = (r.pod for r in self._workers.records() if not r.gone)
        return next(
            (self._with_status(pod) for pod in found if naming.key(pod) == (namespace, name)), None
        )

    def _with_status(self, pod: Object) -> Object:
        status = self._tools.statuses.get(naming.uid(pod))
        return {**pod, "status": status} if status else pod

    async def running_pods(self) -> list[Object]:
        return [
            {
                "metadata": {"name": state.name, "namespace": state.namespace, "uid": state.uid},
                "spec": {
                    "containers": [
                        {"name": item.name, "image": item.image, "resources": {}}
                        for item in state.containers
                        if item.state == "running"
                    ]
                },
                "status": {},
            }
            for state in self._tools.pleg.states()
            if state.running
        ]

    async def logs(self, pod: Object, container: str, wanted: Wanted) -> AsyncIterator[bytes]:
        found = self._log_source(pod, container, wanted.previous)
        path = Path(found.log_path)

        def running() -> bool:
            state = self._tools.pleg.state(naming.uid(pod))
            return any(c.id == found.id and c.state == "running" for c in state.containers)

        if hollow := self._tools.runtime.hollow:
            with _told():
                async for data in reader.follow(partial(hollow.log, found.id), wanted, running):
                    yield data
            return
        try:
            async for data in reader.read(path, wanted, running):
                yield data
        except FileNotFoundError as error:
            message = f'failed to try resolving symlinks in path "{path}": {error.strerror}'
            raise errors.internal(message) from error

    def _log_source(self, pod: Object, name: str, previous: bool) -> Container:
        state = self._tools.pleg.state(naming.uid(pod))
        found = state.previous(name) if previous else state.latest(name)
        if found is None and previous:
            raise errors.bad_request(
                f'previous terminated container "{name}" in pod'
                f' "{pod["metadata"]["name"]}" not found'
            )
        if found is None or found.state == "created":
            raise errors.bad_request(
                f'container "{name}" in pod "{pod["metadata"]["name"]}"'
                f" is waiting to start: {self._waiting(pod, name)}"
            )
        return found

    def _waiting(self, pod: Object, name: str) -> str:
        status = naming.find_status(self._with_status(pod), name)
        if status is None:
            return "ContainerCreating"
        return str((status["state"].get("waiting") or {}).get("reason", ""))

    def _running(self, pod: Object, name: str) -> Container:
        found = self._tools.pleg.state(naming.uid(pod)).active(name)
        if found is None or found.state != "running":
            raise errors.ApiError(500, "InternalError", f'container not found ("{name}")')
        return found

    async def run(self, pod: Object, container: str, command: Sequence[str]) -> bytes:
        found = self._running(pod, container)
        with _told():
            result = await self._tools.runtime.exec_sync(found.id, command)
        output = result.stdout + result.stderr
        if result.exit_code != 0:
            text = output.decode(errors="replace")
            raise errors.internal(f"command exited with {result.exit_code}: {text}")
        return output

    async def exec(
        self, pod: Object, container: str, command: Sequence[str], streams: Streams
    ) -> str:
        with _told():
            found = self._running(pod, container)
            return await self._tools.runtime.exec_url(found.id, command, streams)

    async def attach(self, pod: Object, container: str, streams: Streams) -> str:
        found = self._running(pod, container)
        spec = naming.find_container(pod, container) or {}
        tty = bool(spec.get("tty"))
        streams = Streams(streams.stdin, streams.stdout, streams.stderr and not tty, tty)
        with _told():
            return await self._tools.runtime.attach_url(found.id, streams)

    async def network_namespace(self, pod: Object) -> str:
        sandbox = self._tools.pleg.state(naming.uid(pod)).sandbox
        if sandbox is None:
            raise errors.ApiError(500, "InternalError", "the pod's sandbox is not running")
        with _told():
            return await self._tools.runtime.network_namespace(sandbox.id)

    def healthy(self) -> str:
        return self._tools.pleg.healthy()

    async def stats_summary(self) -> Object:
        with _told():
            page = Page(self._gatherer, self._start, rfc3339(self._tools.env.clock.now()))
            return summary.summary(page, *await self._gatherer.both(self._workers.active()))

    async def metrics(self, page: str) -> bytes:
        """One of summary.PAGES."""
        with _told():
            node, pods = await self._gatherer.both(self._workers.active())
        return summary.exposition(summary.PAGES[page](self._gatherer, node, pods))

    def configz(self) -> Object:
        """The settings under upstream's names."""
        fields = dataclasses.fields(self._tools.config)
        found = {_camel(f.name): _plain(getattr(self._tools.config, f.name)) for f in fields}
        return {"kubeletconfig": {"kind": "KubeletConfiguration", **found}}

    def log_file(self, path: str) -> bytes:
        """A file of the node's logs, or a folder's entries. Raises ApiError."""
        root = self._tools.config.logs_dir.resolve()
        found = (root / path.strip("/")).resolve()
        try:
            if found.is_relative_to(root) and found.is_dir():
                names = sorted(f"{e.name}/" if e.is_dir() else e.name for e in found.iterdir())
                links = (f'<a href="{quote(name)}">{html.escape(name)}</a>' for name in names)
                return f"<pre>\n{chr(10).join(links)}\n</pre>\n".encode()
            if found.is_relative_to(root) and found.is_file():
                return found.read_bytes()
        except OSError as error:
            raise errors.internal(str(error)) from error
        raise errors.ApiError(404, "NotFound", "404 page not found")


_WORDS = {"gc": "GC", "dns": "DNS", "ips": "IPs", "id": "ID"}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(_WORDS.get(word, word.capitalize()) for word in rest)


def _plain(value: Any) -> Any:
    """As JSON; what is a float is a duration in seconds."""
    if isinstance(value, float):
        return f"{value:g}s"
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return str(value) if isinstance(value, Path) else value


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What the runtime refuses, as an ApiError."""
    try:
        yield
    except Unsupported as error:
        raise errors.ApiError(501, "NotImplemented", str(error)) from error
    except NotFound as error:
        raise errors.ApiError(404, "NotFound", str(error)) from error
    except CriError as error:
        raise errors.internal(str(error)) from error
