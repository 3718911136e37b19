# SPDX-License-Identifier: Apache-2.0
"""THE list of endpoints outside the resources."""

from collections.abc import Callable

from pybernetes.apiserver.authentication.tokens import (
    CONFIGURATION_PATH,
    JWKS_PATH,
    jwks,
    openid_configuration,
)
from pybernetes.apiserver.context import Context, Core
from pybernetes.apiserver.dispatch import Endpoint
from pybernetes.apiserver.endpoints.discovery import Discovery
from pybernetes.apiserver.endpoints.health import Health
from pybernetes.apiserver.endpoints.openapi import OpenApiEndpoint
from pybernetes.apiserver.endpoints.simple import Documents, metrics_document, version_info
from pybernetes.apiserver.rest.reply import object_reply
from pybernetes.apiserver.security import Security
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

    documents = {
        "/version": lambda ctx: object_reply(ctx, version_info()),
        "/metrics": metrics_document(core.env),
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
    paths = Documents(documents, lambda: [*_PATHS, *discovery.paths()])
    return [health, discovery, OpenApiEndpoint(core), paths]
