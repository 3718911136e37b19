# SPDX-License-Identifier: Apache-2.0
"""CRI answers (protobuf messages) as the small types of types.py."""

import contextlib
import dataclasses
import json
from typing import Any

from pybernetes.cri.types import (
    Container,
    ContainerState,
    Image,
    Sandbox,
    Stats,
    Unsupported,
)

_STATES: tuple[ContainerState, ...] = ("created", "running", "exited", "unknown")


def trouble(answer: Any) -> list[str]:
    """Of a Status: the conditions that are not met."""
    what = {"NetworkReady": " network"}
    bad = [item for item in answer.status.conditions if not item.status]
    return [f"container runtime{what.get(i.type, '')} not ready: {i.message}" for i in bad]


def sandbox(item: Any) -> Sandbox:
    """Of a PodSandbox."""
    return Sandbox(
        id=item.id,
        name=item.metadata.name,
        namespace=item.metadata.namespace,
        uid=item.metadata.uid,
        attempt=item.metadata.attempt,
        ready=item.state == 0,
        created_at=item.created_at,
        labels=dict(item.labels),
        annotations=dict(item.annotations),
    )


def sandbox_status(status: Any) -> Sandbox:
    """Of a PodSandboxStatus."""
    first = [status.network.ip] if status.network.ip else []
    ips = tuple(first + [item.ip for item in status.network.additional_ips])
    return dataclasses.replace(sandbox(status), ips=ips)


def info(answer: Any) -> Any:
    """What a verbose status says besides CRI: JSON of the runtime's own."""
    with contextlib.suppress(ValueError):
        return json.loads(answer.info.get("info") or "{}")
    return {}


def network_namespace(said: Any) -> str:
    """The path in the OCI spec that containerd and CRI-O show in a sandbox's verbose status."""
    try:
        namespaces = said["runtimeSpec"]["linux"]["namespaces"]
        found = [str(item["path"]) for item in namespaces if item["type"] == "network"]
    except (KeyError, TypeError) as error:
        raise Unsupported("the runtime does not show a pod's network namespace") from error
    return found[0] if found else ""


def _container(item: Any, sandbox_id: str, **more: Any) -> Container:
    """What a list's row and a status have in common, and `more`."""
    return Container(
        id=item.id,
        sandbox_id=sandbox_id,
        name=item.metadata.name,
        attempt=item.metadata.attempt,
        image=item.image.image,
        image_ref=item.image_ref,
        state=_STATES[item.state],
        created_at=item.created_at,
        labels=dict(item.labels),
        annotations=dict(item.annotations),
        **more,
    )


def container(item: Any) -> Container:
    """Of a Container (a list's row)."""
    return _container(item, item.pod_sandbox_id)


_OF_STATUS = ("started_at", "finished_at", "exit_code", "reason", "message", "log_path")


def container_status(status: Any) -> Container:
    """Of a ContainerStatus; its sandbox is known only from the list."""
    return _container(status, "", **{name: getattr(status, name) for name in _OF_STATUS})


def image(item: Any) -> Image:
    user: int | str | None = item.username or None
    if item.HasField("uid"):
        user = int(item.uid.value)
    return Image(
        item.id, tuple(item.repo_tags), tuple(item.repo_digests), item.size, user, item.pinned
    )


def stats(item: Any) -> Stats:
    return Stats(
        container_id=item.attributes.id,
        cpu=item.cpu.usage_core_nano_seconds.value,
        working_set=item.memory.working_set_bytes.value,
        memory=item.memory.usage_bytes.value,
        rss=item.memory.rss_bytes.value,
        page_faults=item.memory.page_faults.value,
        major_page_faults=item.memory.major_page_faults.value,
        disk_bytes=item.writable_layer.used_bytes.value,
        disk_inodes=item.writable_layer.inodes_used.value,
    )
