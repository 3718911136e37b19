# SPDX-License-Identifier: Apache-2.0
"""THE list of endpoints outside the resources."""

import platform
from collections.abc import Callable

from pybernetes.apimachinery.types import Object
from pybernetes.apiserver.authentication.tokens import (
    CONFIGURATION_PATH,
    JWKS_PATH,
    jwks,
    openid_configuration,
)
from pybernetes.apiserver.context import Context, Core
from pybernetes.apiserver.dispatch import Endpoint, not_allowed
from pybernetes.apiserver.endpoints.discovery import Discovery
from pybernetes.apiserver.endpoints.health import Health
from pybernetes.apiserver.endpoints.openapi import OpenApiEndpoint
from pybernetes.apiserver.rest.reply import object_reply
from pybernetes.apiserver.security import Security
from pybernetes.base import metrics
from pybernetes.wire.types import Response

_PATHS = (
    "/openapi/v2",
    "/openapi/v3",
    "/healthz",
    "/livez",
    "/readyz",
    "/healthz/ping",
    "/livez/ping",
    "/readyz/ping",
)
MAJOR, MINOR, PATCH = "1", "37", "1"


def endpoints(core: Core, security: Security, ready: Callable[[], bool]) -> list[Endpoint]:
    """In the order in which they are asked."""
    config = core.config
    jwks_uri = f"https://{config.advertise_address}:{config.advertise_port}{JWKS_PATH}"
    configuration = openid_configuration(
        config.service_account_issuer, jwks_uri, security.verify_keys
    )
    keys = jwks(security.verify_keys)

    def show_keys(ctx: Context) -> Response:
        reply = object_reply(ctx, keys)
        reply.content_type = "application/jwk-set+json"
        return reply

    def show_metrics(_: Context) -> Response:
        content_type, body = metrics.exposition(core.env)
        return Response(200, body, content_type)

    documents: dict[str, Callable[[Context], Response]] = {
        "/version": lambda ctx: object_reply(ctx, version_info()),
        "/metrics": show_metrics,
        CONFIGURATION_PATH: lambda ctx: object_reply(ctx, configuration),
        JWKS_PATH: show_keys,
    }
    health = Health(
        {"etcd": lambda: core.feed.problem},
        {
            "etcd-readiness": lambda: core.feed.refused,
            "poststarthook/bootstrap": lambda: "" if ready() else "not finished",
        },
    )
    discovery = Discovery(core)

    def show_document(ctx: Context) -> Response | None:
        path = ctx.info.path.rstrip("/")
        if not path:
            listed = {*_PATHS, *discovery.paths(), *documents}
            return object_reply(ctx, {"paths": sorted(listed)})
        document = documents.get(path)
        if document is not None and ctx.request.method not in ("GET", "HEAD"):
            raise not_allowed(ctx)
        return document(ctx) if document else None

    return [health, discovery, OpenApiEndpoint(core), show_document]


def version_info() -> Object:
    """Which Kubernetes we are."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": MAJOR,
        "minor": MINOR,
        "emulationMajor": MAJOR,
        "emulationMinor": MINOR,
        "minCompatibilityMajor": MAJOR,
        "minCompatibilityMinor": "36",
        "gitVersion": f"v{MAJOR}.{MINOR}.{PATCH}+pybernetes",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "cpython" + platform.python_version(),
        "platform": f"linux/{machine}",
    }
