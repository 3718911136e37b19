# SPDX-License-Identifier: Apache-2.0
"""Image writer: files in, an OCI archive of one or more images out, which `ctr images import` and Docker both load.

The same input gives the same bytes: entries are sorted, times are zero, layers are not compressed.
"""

import hashlib
import io
import json
import platform
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What a container of the image runs, and as whom. `ports` like "80/tcp"."""

    entrypoint: Sequence[str] = ()
    cmd: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    ports: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of the image (no leading slash). Exactly one of data, source, link; none: a folder.

    `mode` None: of `source`, else 0755 for folders and 0644 for data. setuid bits are kept.
    """

    path: str
    data: bytes | None = None
    source: Path | None = None
    link: str = ""
    mode: int | None = None
    uid: int = 0
    gid: int = 0


def folder(root: Path) -> Iterator[Entry]:
    """Everything under a folder, symbolic links as links; devices and sockets are left out."""
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        info = path.lstat()
        uid, gid = info.st_uid, info.st_gid
        mode = info.st_mode & 0o7777
        if path.is_symlink():
            yield Entry(name, link=str(path.readlink()), uid=uid, gid=gid)
        elif path.is_dir():
            yield Entry(name, mode=mode, uid=uid, gid=gid)
        elif path.is_file():
            yield Entry(name, source=path, mode=mode, uid=uid, gid=gid)


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer's tar archive; several images may have it."""

    path: Path
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """One image of an archive. `names` are full references ("docker.io/pybernetes/web:1")."""

    names: Sequence[str]
    config: ImageConfig
    layers: Sequence[Layer]


def build(target: Path, names: Sequence[str], config: ImageConfig, entries: Iterable[Entry]) -> str:
    """Write an archive of one image of one layer; its id. Blocking: offload large images."""
    with tempfile.TemporaryDirectory() as folder:
        only = layer(Path(folder) / "layer.tar", entries)
        return archive(target, [ImageSpec(names, config, [only])])[0]


def layer(target: Path, entries: Iterable[Entry]) -> Layer:
    """Write `entries` as a layer to `target`, missing parent folders included."""
    with target.open("w+b") as file:
        _write_layer(file, entries)
        size = file.tell()
        return Layer(target, _digest_of(file), size)


def archive(target: Path, images: Sequence[ImageSpec]) -> list[str]:
    """Write an archive of several images, each layer once; their ids (their configs' digests)."""
    blobs: dict[str, bytes] = {}
    index: list[dict[str, Any]] = []
    docker: list[dict[str, Any]] = []
    ids = []
    for image in images:
        digests = [item.digest for item in image.layers]
        settings = _encode(_config_document(image.config, digests))
        manifest = _encode(_manifest(settings, image.layers))
        blobs |= {_sha256(settings): settings, _sha256(manifest): manifest}
        index += _index_rows(manifest, image.names)
        docker.append(_docker(settings, digests, image.names))
        ids.append(_sha256(settings))
    layers = {item.digest: item for image in images for item in image.layers}
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, "oci-layout", _encode({"imageLayoutVersion": "1.0.0"}))
        document = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": index}
        _add(tar, "index.json", _encode(document))
        _add(tar, "manifest.json", _encode(docker))
        for digest, data in blobs.items():
            _add(tar, _blob(digest), data)
        for item in layers.values():
            with item.path.open("rb") as file:
                tar.addfile(_info(_blob(item.digest), item.size), file)
    return ids


def reference(name: str) -> str:
    """A name as containerd stores it: "web" is docker.io/library/web:latest."""
    first, slash, _ = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif not ("." in first or ":" in first or first == "localhost"):
        name = f"docker.io/{name}"
    tagged = "@" in name or ":" in name.rpartition("/")[2]
    return name if tagged else f"{name}:latest"


def _write_layer(file: IO[bytes], entries: Iterable[Entry]) -> None:
    found = {entry.path.strip("/"): entry for entry in entries}
    for path in list(found):
        for parent in list(Path(path).parents)[:-1]:
            found.setdefault(str(parent), Entry(str(parent)))
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(found):
            _write_entry(tar, path, found[path])


def _write_entry(tar: tarfile.TarFile, path: str, entry: Entry) -> None:
    info = tarfile.TarInfo(path)
    info.uid, info.gid = entry.uid, entry.gid
    if entry.link:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.link, 0o777
        tar.addfile(info)
    elif entry.source is not None:
        status = entry.source.stat()
        info.size = status.st_size
        info.mode = status.st_mode & 0o7777 if entry.mode is None else entry.mode
        with entry.source.open("rb") as data:
            tar.addfile(info, data)
    elif entry.data is not None:
        info.size = len(entry.data)
        info.mode = 0o644 if entry.mode is None else entry.mode
        tar.addfile(info, io.BytesIO(entry.data))
    else:
        info.type, info.mode = tarfile.DIRTYPE, 0o755 if entry.mode is None else entry.mode
        tar.addfile(info)


def _config_document(config: ImageConfig, layers: list[str]) -> dict[str, Any]:
    run: dict[str, Any] = {
        "Entrypoint": list(config.entrypoint),
        "Cmd": list(config.cmd),
        "Env": [f"{name}={value}" for name, value in config.env.items()],
        "User": config.user,
        "ExposedPorts": {port: {} for port in config.ports},
    }
    return {
        "created": _EPOCH,
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {key: value for key, value in run.items() if value},
        "rootfs": {"type": "layers", "diff_ids": layers},
        "history": [{"created": _EPOCH, "created_by": "pybernetes"}],
    }


def _manifest(settings: bytes, layers: Sequence[Layer]) -> dict[str, Any]:
    rows = [{"mediaType": _LAYER, "digest": item.digest, "size": item.size} for item in layers]
    return {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _descriptor(_CONFIG, settings),
        "layers": rows,
    }


def _index_rows(manifest: bytes, names: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for name in names:
        full = reference(name)
        notes = {
            "io.containerd.image.name": full,
            "org.opencontainers.image.ref.name": full.rpartition(":")[2],
        }
        rows.append({**_descriptor(_MANIFEST, manifest), "annotations": notes})
    return rows


def _docker(settings: bytes, layers: list[str], names: Sequence[str]) -> dict[str, Any]:
    tags = [reference(name).removeprefix("docker.io/").removeprefix("library/") for name in names]
    return {
        "Config": _blob(_sha256(settings)),
        "RepoTags": tags,
        "Layers": [_blob(item) for item in layers],
    }


def _descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _sha256(data), "size": len(data)}


def _encode(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def _sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _digest_of(file: io.BufferedRandom) -> str:
    file.seek(0)
    return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    return info


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    tar.addfile(_info(name, len(data)), io.BytesIO(data))
