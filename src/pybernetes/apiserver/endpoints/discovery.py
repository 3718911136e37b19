# SPDX-License-Identifier: Apache-2.0
"""/api, /apis and what is below them: made from the resource table, kept until it changes."""

import hashlib

from pybernetes.apimachinery.types import Object
from pybernetes.apis import apidiscovery
from pybernetes.apis.catalog import priorities
from pybernetes.apiserver import codec
from pybernetes.apiserver.context import Context, Core
from pybernetes.apiserver.rest.reply import encoded, tagged
from pybernetes.wire.types import Response

_AGGREGATED = "g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class Discovery:
    """An endpoint. Answers carry an ETag where the document is the aggregated one."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._generation = -1
        self._documents: dict[str, bytes] = {}
        config = core.config
        self._address = f"{config.advertise_address}:{config.advertise_port}"

    def paths(self) -> list[str]:
        """All that discovery serves, for /."""
        self._refresh()
        return [path for path in self._documents if path.startswith("/")]

    def __call__(self, ctx: Context) -> Response | None:
        path = ctx.info.path.rstrip("/")
        if not path.startswith("/api"):
            return None
        self._refresh()
        if path in ("/api", "/apis") and wants_aggregated(ctx.request.headers.get("accept", "")):
            return self._aggregated(ctx, path)
        document = self._documents.get(path)
        return None if document is None else encoded(ctx, document)

    def _aggregated(self, ctx: Context, path: str) -> Response:
        body = self._documents["aggregated" + path]
        etag = '"' + hashlib.sha256(body).hexdigest().upper()[:64] + '"'
        return tagged(ctx, body, etag, "application/json;" + _AGGREGATED, vary="Accept")

    def _refresh(self) -> None:
        resources = self._core.resources
        if self._generation == resources.generation:
            return
        self._documents = {path: codec.dumps(made) for path, made in self._table().items()}
        self._generation = resources.generation

    def _table(self) -> dict[str, Object]:
        groups = apidiscovery.groups(self._core.resources.rows(), priorities())
        table: dict[str, Object] = {
            "/api": apidiscovery.api_versions(self._address),
            "/apis": apidiscovery.api_group_list(groups),
            "aggregated/api": apidiscovery.aggregated([g for g in groups if not g.name]),
            "aggregated/apis": apidiscovery.aggregated([g for g in groups if g.name]),
        }
        for group in groups:
            prefix = f"/apis/{group.name}" if group.name else "/api"
            if group.name:
                table[prefix] = apidiscovery.api_group(group)
            for version, rows in group.versions.items():
                document = apidiscovery.api_resource_list(group.name, version, rows)
                table[f"{prefix}/{version}"] = document
        return table


def wants_aggregated(accept: str) -> bool:
    """Does the client prefer the aggregated document (v2) as JSON?"""
    for clause in accept.split(","):
        media, *options = [part.strip() for part in clause.split(";")]
        if media == "application/json":
            return "as=APIGroupDiscoveryList" in options and "v=v2" in options
    return False
