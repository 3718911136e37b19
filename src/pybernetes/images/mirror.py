# SPDX-License-Identifier: Apache-2.0
"""A registry mirror for the images that were loaded by hand, so that pull policy Always finds them.

containerd asks it (hosts.toml) before the registry an image names; what was never loaded is not
here (404), and containerd goes on to that registry. It answers manifests only: a loaded image's
content is in containerd's own store already, so nothing is ever copied.
"""

import re
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs

import orjson

from pybernetes.base import files
from pybernetes.base.env import Env
from pybernetes.images.importer import LOADED, ImportFailed, ctr
from pybernetes.wire.server import Server, serve
from pybernetes.wire.types import Request, Response

# Only what references are made of: the name becomes part of a filter that containerd reads.
_MANIFEST = re.compile(r"/v2/([\w./-]+)/manifests/([\w.:-]+)", re.ASCII)
_REGISTRY = re.compile(r"[\w.:\[\]-]+", re.ASCII)


async def start(env: Env, socket: str, certs_dir: Path) -> Server:
    """Listen on a free port of loopback, and tell containerd about it. The caller closes it."""
    server = await serve(env, partial(answer, socket), "127.0.0.1", 0)
    target = certs_dir / "_default" / "hosts.toml"
    address = f"http://127.0.0.1:{server.port}"
    text = f'[host."{address}"]\n  capabilities = ["pull", "resolve"]\n'
    files.write_private(target, text)
    return server


async def answer(socket: str, request: Request) -> Response:
    """What containerd behind `socket` has of what is asked."""
    if request.path == "/v2/":
        return Response()
    found = _MANIFEST.fullmatch(request.path)
    registry = parse_qs(request.query).get("ns", [""])[0]
    asked = request.method in ("GET", "HEAD") and _REGISTRY.fullmatch(registry)
    if found is None or not asked:
        return _missing(request.path)
    name, reference = found.groups()
    separator = "@" if reference.startswith("sha256:") else ":"
    try:
        return await _manifest(socket, f"{registry}/{name}{separator}{reference}")
    except ImportFailed:
        return _missing(request.path)


async def _manifest(socket: str, image: str) -> Response:
    """Raises ImportFailed."""
    rows = (await ctr(socket, "images", "ls", f'name=="{image}"')).splitlines()[1:]
    if not rows:
        return _missing(image)
    _, media_type, digest, *_ = rows[0].split()
    loaded = await ctr(socket, "content", "ls", "-q", f'labels."{LOADED}"==true')
    if digest not in loaded.split():
        return _missing(image)
    body = (await ctr(socket, "content", "get", digest)).encode()
    return Response(200, body, media_type, (("Docker-Content-Digest", digest),))


def _missing(what: str) -> Response:
    error = {"code": "MANIFEST_UNKNOWN", "message": f"{what} was not loaded here"}
    return Response(404, orjson.dumps({"errors": [error]}))
