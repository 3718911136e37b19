# SPDX-License-Identifier: Apache-2.0
"""The bootstrap objects (objects.json): namespaces, priority classes, service CIDR, CA ConfigMap, and
the kubernetes Service with its endpoints: this server's address.

Several API servers over one store (upstream's endpoint leases) are not supported: the server that
starts last is the one in the endpoints.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.data.sections import document
from pybernetes.apiserver.authentication import requestheader
from pybernetes.apiserver.config import Config
from pybernetes.apiserver.services.ranges import family_of, parse

CONFIG_MAPS = GVR("", "v1", "configmaps")


def objects(config: Config) -> Iterator[tuple[GVR, Object]]:
    """(resource, object) in the order in which they are written."""
    ranges = parse(config.service_cluster_ip_range)
    values = {
        "$address": config.advertise_address,
        "$address_family": family_of(config.advertise_address),
        "$authentication": _authentication(config) or None,
        "$cidrs": [part.strip() for part in config.service_cluster_ip_range.split(",")],
        "$port": config.advertise_port,
        "$service_family": ranges.default,
        "$service_ip": ranges.kubernetes_ip(),
        "$service_port": config.service_port,
    }
    for gvr, template in document("objects.json", __package__):
        yield GVR(*gvr), _filled(template, values)


def _filled(template: Any, values: Mapping[str, Any]) -> Any:
    """The template with its words that start with $ replaced; fields that become None are left out."""
    if isinstance(template, dict):
        filled = {key: _filled(value, values) for key, value in template.items()}
        return {key: value for key, value in filled.items() if value is not None}
    if isinstance(template, list):
        return [_filled(item, values) for item in template]
    return values.get(template, template) if isinstance(template, str) else template


def _authentication(config: Config) -> dict[str, str]:
    """What aggregated API servers need to know to trust our front proxy."""
    data: dict[str, str] = {}
    if config.client_ca:
        data["client-ca-file"] = config.client_ca.decode()
    if config.requestheader_client_ca:
        data["requestheader-client-ca-file"] = config.requestheader_client_ca.decode()
        for key, value in (
            ("allowed-names", requestheader.ALLOWED_NAME),
            ("username-headers", requestheader.USERNAME),
            ("group-headers", requestheader.GROUP),
            ("extra-headers-prefix", requestheader.EXTRA),
        ):
            data[f"requestheader-{key}"] = json.dumps([value])
    return data
