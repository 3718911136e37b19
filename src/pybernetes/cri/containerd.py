# SPDX-License-Identifier: Apache-2.0
"""A Runtime over CRI v1 gRPC: containerd, or any other runtime that serves the same socket."""

import asyncio
import contextlib
import os
from collections.abc import Sequence
from functools import partial
from typing import Any

from pybernetes.cri import convert
from pybernetes.cri.types import (
    Config,
    Container,
    CriError,
    DeadlineExceeded,
    ExecResult,
    Image,
    ImageFs,
    Mount,
    NotFound,
    Sandbox,
    Stats,
    Streams,
    Unavailable,
    Unsupported,
    Version,
)
from pybernetes.wire.rpc import method as _method

method = partial(_method, __package__, "runtime.v1")
TIMEOUT = 120.0
SANDBOX_TIMEOUT = 240.0
PULL_TIMEOUT = 3600.0
_IMAGES = "ImageService"
_RUNTIME = "RuntimeService"
_SNAPSHOTS: dict[str, Any] = {  # not CRI: what it has no word for
    "service": "containerd.services.snapshots.v1.Snapshots",
    "snapshotter": "overlayfs",
}
_NAMESPACE = (("containerd-namespace", "k8s.io"),)
_ERRORS: dict[str, type[CriError]] = {
    "NOT_FOUND": NotFound,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "UNAVAILABLE": Unavailable,
    "UNIMPLEMENTED": Unsupported,
}


class Containerd:
    """CRI over the unix socket `address` (a path). One channel, opened by the first call.

    - Safe for concurrent calls from one event loop.
    - A runtime that restarts is reconnected to by the next call.
    """

    hollow = None

    def __init__(self, address: str) -> None:
        self._address = address
        self._channel: Any = None

    def _open(self) -> Any:
        if self._channel is None:
            os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # we spawn, we never fork
            import grpc.aio

            options = [("grpc.max_receive_message_length", 16 << 20)]
            options += [("grpc.max_reconnect_backoff_ms", 1000)]
            self._channel = grpc.aio.insecure_channel(f"unix://{self._address}", options)
        return self._channel

    async def _call(
        self, name: str, *, service: str = _RUNTIME, deadline: float = TIMEOUT, **fields: Any
    ) -> Any:
        """One unary RPC. Raises CriError with the runtime's own words."""
        rpc = method(service, name)
        call = self._open().unary_unary(
            rpc.path,
            request_serializer=rpc.request.SerializeToString,
            response_deserializer=rpc.response.FromString,
        )
        import grpc

        try:
            return await call(rpc.request(**fields), timeout=deadline, metadata=_NAMESPACE)
        except grpc.RpcError as error:
            raise _translated(error) from error

    async def version(self) -> Version:
        answer = await self._call("Version")
        return Version(answer.runtime_name, answer.runtime_version, answer.runtime_api_version)

    async def trouble(self) -> list[str]:
        return convert.trouble(await self._call("Status"))

    async def update_runtime_config(self, pod_cidr: str) -> None:
        config = {"network_config": {"pod_cidr": pod_cidr}}
        await self._call("UpdateRuntimeConfig", runtime_config=config)

    async def run_sandbox(self, config: Config, handler: str = "") -> str:
        answer = await self._call(
            "RunPodSandbox", config=config, runtime_handler=handler, deadline=SANDBOX_TIMEOUT
        )
        return str(answer.pod_sandbox_id)

    async def stop_sandbox(self, sandbox_id: str) -> None:
        await self._gone_is_fine("StopPodSandbox", pod_sandbox_id=sandbox_id)

    async def remove_sandbox(self, sandbox_id: str) -> None:
        await self._gone_is_fine("RemovePodSandbox", pod_sandbox_id=sandbox_id)

    async def _gone_is_fine(self, name: str, **fields: Any) -> None:
        with contextlib.suppress(NotFound):
            await self._call(name, **fields)

    async def list_sandboxes(self) -> list[Sandbox]:
        answer = await self._call("ListPodSandbox")
        return [convert.sandbox(item) for item in answer.items]

    async def sandbox_status(self, sandbox_id: str) -> Sandbox:
        answer = await self._call("PodSandboxStatus", pod_sandbox_id=sandbox_id)
        return convert.sandbox_status(answer.status)

    async def create_container(
        self, sandbox_id: str, config: Config, sandbox_config: Config
    ) -> str:
        answer = await self._call(
            "CreateContainer",
            pod_sandbox_id=sandbox_id,
            config=config,
            sandbox_config=sandbox_config,
        )
        return str(answer.container_id)

    async def start_container(self, container_id: str) -> None:
        await self._call("StartContainer", container_id=container_id)

    async def stop_container(self, container_id: str, timeout: int) -> None:
        await self._gone_is_fine(
            "StopContainer", container_id=container_id, timeout=timeout, deadline=TIMEOUT + timeout
        )

    async def remove_container(self, container_id: str) -> None:
        await self._gone_is_fine("RemoveContainer", container_id=container_id)

    async def list_containers(self) -> list[Container]:
        answer = await self._call("ListContainers")
        return [convert.container(item) for item in answer.containers]

    async def container_status(self, container_id: str) -> Container:
        answer = await self._call("ContainerStatus", container_id=container_id)
        return convert.container_status(answer.status)

    async def update_resources(self, container_id: str, linux: Config) -> None:
        await self._call("UpdateContainerResources", container_id=container_id, linux=linux)

    async def reopen_log(self, container_id: str) -> None:
        await self._call("ReopenContainerLog", container_id=container_id)

    async def exec_sync(
        self, container_id: str, command: Sequence[str], timeout: float = 0
    ) -> ExecResult:
        call = self._call(
            "ExecSync",
            container_id=container_id,
            cmd=list(command),
            timeout=int(timeout),
            deadline=timeout + TIMEOUT if timeout else PULL_TIMEOUT,
        )
        # Whoever is cancelled leaves it running, to its deadline at most: a call that is cut off
        # while the command starts makes containerd wait 30 s before it can even kill the container.
        answer = await asyncio.shield(call)
        return ExecResult(answer.stdout, answer.stderr, answer.exit_code)

    async def exec_url(self, container_id: str, command: Sequence[str], streams: Streams) -> str:
        answer = await self._call(
            "Exec", container_id=container_id, cmd=list(command), **streams._asdict()
        )
        return str(answer.url)

    async def attach_url(self, container_id: str, streams: Streams) -> str:
        answer = await self._call("Attach", container_id=container_id, **streams._asdict())
        return str(answer.url)

    async def network_namespace(self, sandbox_id: str) -> str:
        answer = await self._call("PodSandboxStatus", pod_sandbox_id=sandbox_id, verbose=True)
        return convert.network_namespace(convert.info(answer))

    async def pull_image(
        self, image: str, auth: Config | None = None, sandbox_config: Config | None = None
    ) -> str:
        answer = await self._call(
            "PullImage",
            service=_IMAGES,
            deadline=PULL_TIMEOUT,
            image={"image": image},
            auth=auth,
            sandbox_config=sandbox_config,
        )
        return str(answer.image_ref)

    async def list_images(self) -> list[Image]:
        answer = await self._call("ListImages", service=_IMAGES)
        return [convert.image(item) for item in answer.images]

    async def image_status(self, image: str) -> Image | None:
        answer = await self._call("ImageStatus", service=_IMAGES, image={"image": image})
        return convert.image(answer.image) if answer.HasField("image") else None

    async def view_image(self, image: str, key: str) -> list[Mount]:
        answer = await self._call(
            "ImageStatus", service=_IMAGES, image={"image": image}, verbose=True
        )
        chain = convert.info(answer).get("chainID")
        if not chain:
            raise Unsupported(f"this runtime does not tell the layers of image {image}")
        try:
            kept = {"containerd.io/gc.root": "yes"}  # the garbage collector leaves it alone
            found = await self._call("View", key=key, parent=chain, labels=kept, **_SNAPSHOTS)
        except CriError as error:
            if "already exists" not in str(error):
                raise
            found = await self._call("Mounts", key=key, **_SNAPSHOTS)
        return [Mount(one.type, one.source, tuple(one.options)) for one in found.mounts]

    async def release_image(self, key: str) -> None:
        await self._gone_is_fine("Remove", key=key, **_SNAPSHOTS)

    async def container_pid(self, container_id: str) -> int:
        answer = await self._call("ContainerStatus", container_id=container_id, verbose=True)
        return int(convert.info(answer).get("pid") or 0)

    async def remove_image(self, image: str) -> None:
        await self._gone_is_fine("RemoveImage", service=_IMAGES, image={"image": image})

    async def image_fs(self) -> ImageFs | None:
        answer = await self._call("ImageFsInfo", service=_IMAGES)
        for item in answer.image_filesystems:
            path = item.fs_id.mountpoint
            return ImageFs(path, item.used_bytes.value, item.inodes_used.value)
        return None

    async def stats(self) -> list[Stats]:
        answer = await self._call("ListContainerStats")
        return [convert.stats(item) for item in answer.stats]

    async def close(self) -> None:
        if self._channel is not None:
            channel, self._channel = self._channel, None
            await channel.close()


def _translated(error: Any) -> CriError:
    """The CriError behind a gRPC error."""
    text = error.details() or str(error.code())
    if "not found" in text.lower() and error.code().name == "UNKNOWN":
        return NotFound(text)
    return _ERRORS.get(error.code().name, CriError)(text)
