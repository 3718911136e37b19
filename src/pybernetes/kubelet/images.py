# SPDX-License-Identifier: Apache-2.0
"""Makes sure a container's image is there, by its pull policy (upstream's image manager)."""

import base64
import json
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import NoReturn

from pybernetes.apimachinery.errors import ApiError, aggregate
from pybernetes.apimachinery.types import Object
from pybernetes.base import logs
from pybernetes.base.backoff import Backoff
from pybernetes.base.env import Env
from pybernetes.client.events import Recorder
from pybernetes.cri.types import Config, CriError, Image, Mount, Runtime
from pybernetes.kubelet import naming
from pybernetes.kubelet.config import Config as KubeletConfig
from pybernetes.kubelet.naming import UNFORESEEN
from pybernetes.kubelet.objects import Lookup
from pybernetes.kubelet.record import MountError, StartError, Waiting

_log = logs.get("kubelet.images")
_REFERENCE = re.compile(
    r"([\w.-]+(:\d+)?/)?[a-z0-9][a-z0-9._/-]*(:[\w.-]{1,128})?(@[\w+.-]+:[0-9a-fA-F]+)?"
)
_DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")


class Images:
    """`ensure` is safe to call for several pods at once; the runtime joins equal pulls."""

    def __init__(
        self,
        env: Env,
        runtime: Runtime,
        recorder: Recorder,
        config: KubeletConfig,
        *,
        lookup: Lookup,
    ) -> None:
        self._clock = env.clock
        self._lookup = lookup
        self._runtime = runtime
        self._recorder = recorder
        self._backoff = Backoff(config.backoff_initial, config.backoff_maximum)
        self.viewed: dict[str, str] = {}  # images that volumes use, by the view's key
        self._until: dict[tuple[str, str], tuple[float, str]] = {}  # (uid, image): (time, error)

    async def ensure(self, pod: Object, container: Object) -> tuple[str, Image | None]:
        """The reference to run, and what is known of it. Raises StartError."""
        image = container.get("image", "")
        reference = _tagged(image)
        if not _REFERENCE.fullmatch(reference):
            message = f'Failed to apply default image tag "{image}": couldn\'t parse image name'
            message += f' "{image}": invalid reference format'
            self._refuse(pod, container, ("InspectFailed", "InvalidImageName", message))
        policy = container.get("imagePullPolicy") or "IfNotPresent"
        present = await self._inspect(reference, image)
        if present is not None and policy != "Always":
            message = f'Container image "{image}" already present on machine'
            if policy != "Never":
                message += " and can be accessed by the pod"
            self._event(pod, container, ("Normal", "Pulled", message))
            return reference, present
        if policy == "Never":
            message = f'Container image "{image}" is not present with pull policy of Never'
            self._refuse(pod, container, ("ErrImageNeverPull", "ErrImageNeverPull", message))
        await self._pull(pod, container, reference)
        return reference, await self._inspect(reference, image)

    async def view(self, pod: Object, source: Object, key: str) -> list[Mount]:
        """The mounts of an ImageVolumeSource. Raises StartError, MountError."""
        spec = {"image": source["reference"], "imagePullPolicy": source.get("pullPolicy")}
        reference, image = await self.ensure(pod, spec)
        self.viewed[key] = image.id if image else reference
        try:
            return await self._runtime.view_image(self.viewed[key], key)
        except CriError as error:
            raise MountError(f"image {reference}: {error}") from error

    async def hold(self, source: Object, key: str) -> None:
        """A restarted kubelet finds a view in use."""
        reference = _tagged(source["reference"])
        found = await self._inspect(reference, reference)
        self.viewed[key] = found.id if found else reference

    async def release(self, key: str) -> None:
        self.viewed.pop(key, None)
        try:
            await self._runtime.release_image(key)
        except CriError as error:
            _log.warning("An image volume could not be released", key=key, err=error)

    async def _inspect(self, reference: str, image: str) -> Image | None:
        try:
            return await self._runtime.image_status(reference)
        except CriError as error:
            message = f'Failed to inspect image "{image}": {error}'
            raise StartError(Waiting("ImageInspectError", message)) from error

    async def _pull(self, pod: Object, container: Object, reference: str) -> None:
        key = (naming.uid(pod), reference)
        until, before = self._until.get(key, (0.0, ""))
        started, image = self._clock.monotonic(), container.get("image", "")
        if started < until:
            message = f'Back-off pulling image "{image}"'
            self._event(pod, container, ("Normal", "BackOff", message))
            text = f"{message}: {before}"
            raise StartError(Waiting("ImagePullBackOff", text), until - started)
        self._event(pod, container, ("Normal", "Pulling", f'Pulling image "{image}"'))
        failed: list[CriError] = []
        credentials: list[Config | None] = [*await self._credentials(pod, reference)]
        for auth in credentials or [None]:  # without any only where there are none (upstream)
            try:
                await self._runtime.pull_image(reference, auth, _sandbox_config(pod))
                break
            except CriError as failure:
                failed.append(failure)
        else:
            error = aggregate(list(dict.fromkeys(map(str, failed))))
            message = f'Failed to pull image "{image}": {error}'
            self._event(pod, container, ("Warning", "Failed", message))
            delay = self._backoff.next(key)
            self._until[key] = (self._clock.monotonic() + delay, f"ErrImagePull: {error}")
            raise StartError(Waiting("ErrImagePull", error), 0.1) from failed[-1]
        now = self._clock.monotonic()
        self._backoff.forget(key)
        self._until.pop(key, None)
        found = await self._inspect(reference, image)
        took = f"{now - started:.3f}s"
        message = f'Successfully pulled image "{image}" in {took} ({took} including waiting).'
        message += f" Image size: {found.size if found else 0} bytes."
        self._event(pod, container, ("Normal", "Pulled", message))

    async def _credentials(self, pod: Object, reference: str) -> list[Config]:
        """AuthConfigs for the image's registry from the pod's imagePullSecrets."""
        found: list[Config] = []
        missing = []
        names = [
            item["name"] for item in pod["spec"].get("imagePullSecrets", ()) if item.get("name")
        ]
        for name in names:
            try:
                secret = await self._lookup(naming.SECRETS, pod["metadata"]["namespace"], name)
                found += _matching(secret.get("data") or {}, reference)
            except (ApiError, ConnectionError, *UNFORESEEN):  # not there, or nobody can read it
                missing.append(name)
        if missing:
            text = f"Unable to retrieve some image pull secrets ({', '.join(missing)});"
            text += " attempting to pull the image may not succeed."
            reason = "FailedToRetrieveImagePullSecret"
            self._recorder.event(pod, "Warning", reason, text)
        return found

    def _refuse(self, pod: Object, container: Object, what: tuple[str, str, str]) -> NoReturn:
        """`what`: the event's reason, the container's, and the words of both."""
        event, reason, message = what
        self._event(pod, container, ("Warning", event, message))
        raise StartError(Waiting(reason, message))

    def forget(self, uid: str) -> None:
        for key in [key for key in self._until if key[0] == uid]:
            del self._until[key]
            self._backoff.forget(key)

    def _event(self, pod: Object, container: Object, what: tuple[str, str, str]) -> None:
        type_, reason, message = what
        path = naming.field_path(pod, container["name"]) if "name" in container else ""
        self._recorder.event(pod, type_, reason, message, field_path=path)


def _sandbox_config(pod: Object) -> Config:
    """For which pod an image is pulled."""
    namespace, name = naming.key(pod)
    metadata = pod["metadata"]
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": naming.uid(pod)},
        "labels": metadata.get("labels") or {},
        "annotations": metadata.get("annotations") or {},
    }


def _tagged(image: str) -> str:
    """The image with the default tag."""
    last = image.rpartition("/")[2]
    return image if ":" in last or "@" in image else f"{image}:latest"


def _host(reference: str) -> str:
    first = reference.partition("/")[0]
    has_host = "/" in reference and ("." in first or ":" in first or first == "localhost")
    return first if has_host else "docker.io"


def _matching(data: Object, reference: str) -> Iterable[Config]:
    """Entries for the image's registry: a host ("*" stands for a part), perhaps with a path."""
    host, path = _host(reference), f"{reference.partition('/')[2]}/"
    text = data.get(".dockerconfigjson")
    entries = json.loads(base64.b64decode(text)).get("auths", {}) if text else {}
    if data.get(".dockercfg"):
        entries = json.loads(base64.b64decode(data[".dockercfg"]))
    for server, entry in entries.items():
        address = server.removeprefix("https://").removeprefix("http://")
        name, _, below = address.partition("/")
        same = name.count(".") == host.count(".") and fnmatchcase(host, name)
        same = same and (below in ("", "v1/", "v2/") or path.startswith(below.rstrip("/") + "/"))
        if same or (name in _DOCKER_HUB and host in _DOCKER_HUB):
            yield {key: entry[key] for key in ("username", "password", "auth") if key in entry}
