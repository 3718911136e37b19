# SPDX-License-Identifier: Apache-2.0
"""The control socket: one JSON line in, progress lines out, the last "ready" or "error: ..."."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import Object
from pybernetes.cmd.labconfig import ConfigError
from pybernetes.linux.commands import CommandError
from pybernetes.storage.types import StoreError

NAME = "control.sock"
Report = Callable[[str], None]
Handle = Callable[[Object, Report], Awaitable[None]]
_FAILURES = (
    StoreError,
    ConfigError,
    CommandError,
    ApiError,
    OSError,
    TimeoutError,
    KeyError,
    ValueError,
)


async def serve(data_dir: Path, handle: Handle) -> None:
    """Answer until cancelled; what `handle` raises of _FAILURES is told to the caller."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def report(line: str) -> None:
            writer.write(" ".join(line.split()).encode() + b"\n")

        try:
            await handle(json.loads(await reader.readline()), report)
            report("ready")
        except _FAILURES as error:
            report(f"error: {error or type(error).__name__}")
        finally:
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            writer.close()

    path = data_dir / NAME
    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(connection, path)
    path.chmod(0o600)
    try:
        await server.serve_forever()
    finally:
        path.unlink(missing_ok=True)
