# SPDX-License-Identifier: Apache-2.0
"""Static pods: manifests in a folder of the node, run without being asked for through the API.

Each is shown there as a mirror pod, whose spec nobody can change and whose deletion ends nothing.
"""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pybernetes.apimachinery import strictyaml
from pybernetes.apimachinery.errors import ApiError, forgiving
from pybernetes.apimachinery.schema.check import decode
from pybernetes.apimachinery.types import GVK, Object
from pybernetes.apis.catalog import builtin, schema_of
from pybernetes.apis.validation.meta import validate_meta
from pybernetes.base import logs
from pybernetes.base.tasks import wait_within
from pybernetes.kubelet import naming
from pybernetes.kubelet.admission import is_static
from pybernetes.kubelet.pods.workers import Workers
from pybernetes.kubelet.tools import Tools

_log = logs.get("kubelet.static")
HASH, MIRROR = "kubernetes.io/config.hash", "kubernetes.io/config.mirror"
SOURCE, SEEN = "kubernetes.io/config.source", "kubernetes.io/config.seen"
_REFERENCES = {  # field of a spec that refers to an object -> what it refers to
    "serviceAccountName": "serviceaccounts",
    "imagePullSecrets": "secrets",
    "secretKeyRef": "secrets",
    "secretRef": "secrets",
    "secret": "secrets",
    "configMapKeyRef": "configmaps",
    "configMapRef": "configmaps",
    "configMap": "configmaps",
    "persistentVolumeClaim": "persistentvolumeclaims",
    "serviceAccountToken": "serviceaccounts",
    "clusterTrustBundle": "clustertrustbundles",
    "podCertificate": "podcertificates",
    "resourceClaims": "resourceclaims",
}
Key = tuple[str, str]


def is_mirror(pod: Object) -> bool:
    return MIRROR in ((pod.get("metadata") or {}).get("annotations") or {})


def parse(data: bytes, source: str, node: str) -> Object:
    """The pod of a manifest, as it runs on `node`. Raises ValueError, ApiError."""
    pod, _ = strictyaml.decode(data)
    if not isinstance(pod, dict) or (pod.get("apiVersion"), pod.get("kind")) != ("v1", "Pod"):
        raise ValueError("invalid pod: it must be of apiVersion v1 and kind Pod")
    rules = builtin()[naming.PODS].rules
    decode(pod, schema_of(GVK("", "v1", "Pod")))
    metadata, spec = pod.setdefault("metadata", {}), pod.setdefault("spec", {})
    if not metadata.get("name"):
        raise ValueError("invalid pod: name is needed for the pod")
    text = json.dumps([pod, f"host:{node}", f"file:{source}"], sort_keys=True)
    uid = metadata.get("uid") or hashlib.sha256(text.encode()).hexdigest()[:32]
    notes = {**(metadata.get("annotations") or {}), HASH: uid, SOURCE: "file"}
    namespace = metadata.get("namespace") or "default"
    name = f"{metadata['name']}-{node.lower()}"
    metadata.update(name=name, namespace=namespace, uid=uid, annotations=notes)
    spec["nodeName"] = node
    spec["tolerations"] = [
        *(spec.get("tolerations") or ()), {"operator": "Exists", "effect": "NoExecute"},
    ]  # fmt: skip
    for resource in _references(spec):
        raise ValueError(f"static pods may not reference {resource}")
    rules.default(pod)
    errors = [*validate_meta(metadata, True, rules.validate_name), *rules.validate_create(pod)]
    if errors:
        raise ValueError(f"invalid pod: {', '.join(str(error) for error in errors)}")
    pod["status"] = {"phase": "Pending"}
    return pod


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if item and key in _REFERENCES:
                yield _REFERENCES[key]
            yield from _references(item)


class StaticPods:
    """`run` until cancelled. The folder is looked at often, files are read when they change."""

    def __init__(self, tools: Tools, workers: Workers) -> None:
        self._tools, self._workers = tools, workers
        self._files: dict[Path, tuple[tuple[int, int], Object | None]] = {}
        self.mirrors: dict[Key, Object] = {}
        self._wake = asyncio.Event()
        workers.on_gone = self._wake.set

    def mirror_changed(self, old: Object | None, new: Object | None) -> None:
        pod = new or old
        assert pod is not None
        if new is not None:
            self.mirrors[naming.key(pod)] = new
        else:
            self.mirrors.pop(naming.key(pod), None)
        if old is None:
            self._tools.statuses.again(pod["metadata"]["annotations"][MIRROR])
        self._wake.set()

    def mirror(self, uid: str) -> Object | None:
        """The mirror of the static pod `uid`."""
        found = (p for p in self.mirrors.values() if p["metadata"]["annotations"][MIRROR] == uid)
        return next(found, None)

    def load(self) -> None:
        """Read what changed in the folder, and start, replace or end pods accordingly."""
        folder = self._tools.config.static_pod_path
        if folder is not None:
            self._read(folder)
        wanted = self._wanted()
        there = self._running()
        for key, uids in there.items():
            for uid in uids:
                pod = self._workers.find(uid)
                if pod is not None and (key not in wanted or naming.uid(wanted[key]) != uid):
                    self._workers.update(pod, None)
        for key, pod in wanted.items():
            if key not in there:
                self._workers.update(None, pod)

    def _wanted(self) -> dict[Key, Object]:
        pods = [pod for _, pod in self._files.values() if pod is not None]
        return {naming.key(pod): pod for pod in pods}

    def _running(self) -> dict[Key, list[str]]:
        found: dict[Key, list[str]] = {}
        for record in self._workers.records():
            if is_static(record.pod):
                found.setdefault(naming.key(record.pod), []).append(record.uid)
        return found

    def _read(self, folder: Path) -> None:
        there = sorted(folder.iterdir()) if folder.is_dir() else []
        files = [path for path in there if path.is_file() and not path.name.startswith(".")]
        for gone in self._files.keys() - set(files):
            del self._files[gone]
        for path in files:
            info = path.stat()
            stamp = (info.st_mtime_ns, info.st_size)
            if path in self._files and self._files[path][0] == stamp:
                continue
            pod = None
            try:
                pod = parse(path.read_bytes(), str(path), self._tools.config.node_name)
                pod["metadata"]["annotations"][SEEN] = self._tools.env.clock.now().isoformat()
            except (ValueError, ApiError, OSError) as error:
                _log.warning("A static pod cannot be read", file=str(path), err=error)
            self._files[path] = (stamp, pod)

    async def run(self) -> None:
        watched = self._tools.config.static_pod_path is not None
        while True:
            try:
                self.load()
                await self._reflect()
            except (OSError, ApiError, ConnectionError) as error:
                _log.warning("Static pods are not in step with the API", err=error)
                self._wake.clear()
            config = self._tools.config
            await wait_within(self._wake, config.file_check_frequency if watched else None)

    async def _reflect(self) -> None:
        """Bring mirror pods in line, once they are known. Raises ApiError, ConnectionError."""
        self._wake.clear()
        if not self._workers.synced:
            return
        wanted, there = self._wanted(), self._running()
        for key, mirror in list(self.mirrors.items()):
            metadata, pod = mirror["metadata"], wanted.get(key)
            good = pod is not None and metadata["annotations"][MIRROR] == naming.uid(pod)
            if (good and not metadata.get("deletionTimestamp")) or (pod is None and key in there):
                continue
            await self._delete(mirror)
        for key, pod in wanted.items():
            if key not in self.mirrors and naming.uid(pod) in there.get(key, ()):
                await self._create(pod)

    async def _create(self, pod: Object) -> None:
        old, owner = pod["metadata"], naming.owner("Node", self._tools.node())
        metadata = {
            **{key: old[key] for key in ("name", "namespace", "labels") if key in old},
            "annotations": {**old["annotations"], MIRROR: naming.uid(pod)},
            "ownerReferences": [{**owner, "controller": True}],
        }
        mirror = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]}
        with forgiving(409):
            await self._tools.client.create(naming.PODS, mirror, old["namespace"])

    async def _delete(self, mirror: Object) -> None:
        namespace, name = naming.key(mirror)
        options: Object = {"gracePeriodSeconds": 0, "preconditions": {"uid": naming.uid(mirror)}}
        with forgiving(404, 409):
            await self._tools.client.delete(naming.PODS, name, namespace, options=options)
