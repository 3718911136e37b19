# SPDX-License-Identifier: Apache-2.0
"""Calls to etcd: endpoints with failover, TLS, and etcd's errors as the store's.

- One member is used at a time; one that does not answer is left for the next.
- A read is tried again until PATIENCE is over. A write only where it cannot have reached a member: else
  nobody knows whether it happened, and the caller gets Unavailable.
"""

import asyncio
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pybernetes.base.env import Env
from pybernetes.storage.types import Compacted, FutureRevision, NoSpace, StoreError, Unavailable
from pybernetes.wire import rpc

method = partial(rpc.method, __package__, "etcdserverpb")
message = partial(rpc.message, __package__, "etcdserverpb")
PATIENCE = 10.0  # seconds until a read that fails everywhere is given up
READ_TIMEOUT = 3.0  # of one attempt: a member that hangs is left
WRITE_TIMEOUT = 10.0  # etcd's own limit is 7 s
PAUSE = 0.1  # seconds between attempts
OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.use_local_subchannel_pool", 1),
]
_SOUND = {(3, 4): 25, (3, 5): 8}  # the first patch whose progress notifications can be trusted


@dataclass(frozen=True, slots=True)
class EtcdConfig:
    """Which etcd (URLs of members), and where in it: `root` begins the store's keys, `prefix` etcd's."""

    endpoints: tuple[str, ...]
    cafile: str = ""
    certfile: str = ""
    keyfile: str = ""
    prefix: str = "/registry/"
    root: str = "/registry/"

    def check(self) -> None:
        """Raise StoreError for what cannot work."""
        schemes = {urlsplit(url).scheme for url in self.endpoints}
        if not self.endpoints or not schemes < {"http", "https", ""} or len(schemes) != 1:
            raise StoreError(
                "--etcd-servers: URLs that all begin with http:// or all with https://"
            )
        if any(urlsplit(url).path.strip("/") or not urlsplit(url).port for url in self.endpoints):
            raise StoreError("--etcd-servers: scheme://host:port, with a port and without a path")
        if schemes == {"http"} and (self.cafile or self.certfile or self.keyfile):
            raise StoreError("--etcd-cafile, --etcd-certfile and --etcd-keyfile need https:// URLs")
        if bool(self.certfile) != bool(self.keyfile):
            raise StoreError("--etcd-certfile and --etcd-keyfile belong together")
        if not self.prefix.startswith("/") or not self.prefix.endswith("/") or self.prefix == "/":
            raise StoreError(f"--etcd-prefix {self.prefix}: must be /name")


class Client:
    """See the module. For one event loop."""

    def __init__(self, env: Env, config: EtcdConfig) -> None:
        config.check()
        self._env = env
        self._config = config
        self._channels: dict[str, Any] = {}
        self._rpcs: dict[tuple[str, str], Any] = {}
        self._turn = 0  # which endpoint is used

    @property
    def endpoint(self) -> str:
        """The member in use."""
        return self._config.endpoints[self._turn % len(self._config.endpoints)]

    def leave(self, endpoint: str) -> None:
        """Use another member from now on, unless somebody has left this one already."""
        if endpoint == self.endpoint:
            self._turn += 1

    def _channel(self, endpoint: str) -> Any:
        if endpoint not in self._channels:
            os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # we spawn, we never fork
            import grpc
            import grpc.aio

            target = urlsplit(endpoint).netloc
            if endpoint.startswith("https:"):
                files = (self._config.cafile, self._config.keyfile, self._config.certfile)
                try:
                    parts = [Path(file).read_bytes() if file else None for file in files]
                except OSError as error:
                    raise StoreError(f"{error.filename}: {error.strerror}") from error
                credentials = grpc.ssl_channel_credentials(*parts)
                self._channels[endpoint] = grpc.aio.secure_channel(target, credentials, OPTIONS)
            else:
                self._channels[endpoint] = grpc.aio.insecure_channel(target, OPTIONS)
        return self._channels[endpoint]

    def _rpc(self, endpoint: str, service: str, name: str) -> Any:
        """What makes calls of a method; kept, as it costs more than a call."""
        found = self._rpcs.get((endpoint, name))
        if found is None:
            its = method(service, name)
            channel = self._channel(endpoint)
            make = channel.stream_stream if service == "Watch" else channel.unary_unary
            found = self._rpcs[endpoint, name] = make(
                its.path,
                request_serializer=its.request.SerializeToString,
                response_deserializer=its.response.FromString,
            )
        return found

    async def call(
        self, service: str, name: str, *, repeat: bool = True, timeout: float = 0, **fields: Any
    ) -> Any:
        """One unary RPC. `repeat`: it may be sent twice. Raises StoreError."""
        import grpc

        request = method(service, name).request(**fields)
        timeout = timeout or (READ_TIMEOUT if repeat else WRITE_TIMEOUT)
        end = self._env.clock.monotonic() + PATIENCE
        while True:
            endpoint = self.endpoint
            try:
                return await self._rpc(endpoint, service, name)(request, timeout=timeout)
            except grpc.RpcError as error:
                failure = translated(error, endpoint)
                if isinstance(failure, Unavailable):
                    self.leave(endpoint)
                    if (repeat or _never_sent(error)) and self._env.clock.monotonic() < end:
                        await asyncio.sleep(PAUSE)
                        continue
                raise failure from error

    def stream(self, endpoint: str) -> Any:
        """A Watch call, which ends where the member loses its leader."""
        return self._rpc(endpoint, "Watch", "Watch")(metadata=(("hasleader", "true"),))

    async def sound_progress(self, endpoint: str) -> bool:
        """Whether this member's progress notifications never run ahead of its events."""
        status = await self.call("Maintenance", "Status")
        major, minor, patch, *_ = (int(part) for part in status.version.split("-")[0].split("."))
        return endpoint == self.endpoint and patch >= _SOUND.get((major, minor), 0)

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()


def _never_sent(error: Any) -> bool:
    return "failed to connect" in (error.details() or "").lower()


def translated(error: Any, endpoint: str) -> StoreError:
    """Our error for a gRPC error of etcd; the caller keeps the cause."""
    code, details = error.code().name, error.details() or ""
    if "has been compacted" in details:
        return Compacted(0)
    if "future revision" in details:
        return FutureRevision(details)
    if "database space exceeded" in details:
        return NoSpace(f"{endpoint}: {details}")
    if "larger than max" in details or "request is too large" in details:
        return StoreError(f"{endpoint}: {details}: see etcd's --max-request-bytes")
    if "too many operations" in details:
        return StoreError(f"{endpoint}: {details}: see etcd's --max-txn-ops")
    temporary = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "RESOURCE_EXHAUSTED", "UNKNOWN"}
    temporary.add("INTERNAL")  # gRPC's own when a connection breaks while something is sent
    text = f"etcd {endpoint}: {details or code}"
    return Unavailable(text) if code in temporary else StoreError(text)
