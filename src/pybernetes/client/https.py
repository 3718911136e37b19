# SPDX-License-Identifier: Apache-2.0
"""The client's transport over HTTPS (or plain HTTP on loopback), from a kubeconfig's ClusterConfig."""

import ssl
from urllib.parse import urlsplit

from pybernetes.base import tls
from pybernetes.base.env import Env
from pybernetes.client.kubeconfig import ClusterConfig, KubeconfigError
from pybernetes.client.types import Client
from pybernetes.wire.client import HttpPool
from pybernetes.wire.types import ClientReply, Request


class Https(Client):
    """A client of the API server at `config.server`."""

    def __init__(self, env: Env, config: ClusterConfig) -> None:
        url = urlsplit(config.server)
        if url.scheme not in ("https", "http") or not url.hostname:
            raise KubeconfigError(f"server {config.server!r} is not an http(s) URL")
        self._tls = context = _tls(config) if url.scheme == "https" else None
        port = url.port or (443 if context else 80)
        self._prefix = url.path.rstrip("/")
        self._headers = _headers(config)
        self._pool = HttpPool(env, url.hostname, port, context)

    async def exchange(self, request: Request, *, stream: bool) -> ClientReply:
        request.headers = self._headers | request.headers
        if self._prefix:
            request.raw_path = self._prefix + request.raw_path
        return await self._pool.send(request, stream=stream)

    def present(self, pair: tls.KeyPair) -> None:
        """Show another client certificate from now on; streams under way keep the old one."""
        assert self._tls is not None
        tls.present(self._tls, pair)
        self._pool.drop_idle()

    async def close(self) -> None:
        await self._pool.close()


def _headers(config: ClusterConfig) -> dict[str, str]:
    headers = {"user-agent": "pybernetes"}
    if config.token:
        headers["authorization"] = f"Bearer {config.token}"
    if config.impersonate:
        headers["impersonate-user"] = config.impersonate
    if len(config.impersonate_groups) > 1:
        raise KubeconfigError("more than one 'as-groups' entry is not supported")
    if config.impersonate_groups:
        headers["impersonate-group"] = config.impersonate_groups[0]
    return headers


def _tls(config: ClusterConfig) -> ssl.SSLContext:
    """Verifies the server by the config's CA, shows the config's client certificate."""
    pair = tls.KeyPair(config.certificate, config.key) if config.certificate else None
    return tls.client_context(config.ca or None, pair, verify=not config.insecure)
