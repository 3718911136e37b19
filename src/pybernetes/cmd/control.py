# SPDX-License-Identifier: Apache-2.0
"""The control socket: one JSON line in, progress lines out, the last "ready" or "error: ..."."""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import Object
from pybernetes.base import logs
from pybernetes.base.errors import Told
from pybernetes.base.tasks import TaskGroup
from pybernetes.cmd.labconfig import ConfigError

NAME = "control.sock"
REQUEST_SECONDS = 10.0  # for a caller to say what it wants
Report = Callable[[str], None]
Handle = Callable[[Object, Report], Awaitable[None]]
_FAILURES = (Told, ApiError, OSError, KeyError, ValueError)
_log = logs.get("control")


async def serve(data_dir: Path, handle: Handle) -> None:
    """Answer until cancelled; what `handle` raises is told to the caller."""
    path = data_dir / NAME
    try:
        own = _private_socket(path)
    except OSError as error:  # such a path has at most 107 bytes
        _log.warning("There is no control socket", path=str(path), error=str(error))
        return
    async with TaskGroup("control") as group:

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            group.start(_answer(handle, reader, writer), "request")

        server = await asyncio.start_unix_server(connected, sock=own)
        try:
            await server.serve_forever()
        finally:
            path.unlink(missing_ok=True)


def _private_socket(path: Path) -> socket.socket:
    """Its owner's alone from the beginning: bind takes over the mode, less the umask."""
    path.unlink(missing_ok=True)
    own = socket.socket(socket.AF_UNIX)
    os.fchmod(own.fileno(), 0o600)
    own.bind(str(path))
    return own


async def _answer(
    handle: Handle, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    def report(line: str) -> None:
        writer.write(" ".join(line.split()).encode() + b"\n")

    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            line = await reader.readline()  # ValueError beyond 64 KiB
        request = json.loads(line)
        if not isinstance(request, dict):
            raise ConfigError("a request is a JSON object")
        await handle(request, report)
        report("ready")
    except Exception as error:  # noqa: BLE001 -- one request must not stop the cluster
        if not isinstance(error, _FAILURES):
            _log.crash("A request failed", error)
        report(f"error: {str(error) or type(error).__name__}")
    finally:
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()
