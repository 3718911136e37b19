# SPDX-License-Identifier: Apache-2.0
"""Discovery documents equal what upstream publishes for the group versions we serve."""

import json
import os
from pathlib import Path

import pytest

from pybernetes.apis import apidiscovery, catalog

CACHE = Path(os.environ.get("GOMODCACHE") or Path.home() / "go/pkg/mod")
GOLDEN = CACHE / "k8s.io/kubernetes@v1.37.1/api/discovery"
FOUND = apidiscovery.groups(catalog.builtin().values(), catalog.priorities())
SERVED = {(group.name, version) for group in FOUND for version in group.versions}


def golden(name: str) -> dict:
    path = GOLDEN / f"{name}.json"
    assert path.exists(), f"upstream's module is missing from the module cache: {path}"
    return json.loads(path.read_text())


@pytest.mark.golden
def test_aggregated_discovery_is_upstreams() -> None:
    expected = golden("aggregated_v2")
    for item in expected["items"]:
        name = item["metadata"]["name"]
        item["versions"] = [one for one in item["versions"] if (name, one["version"]) in SERVED]
    expected["items"] = [item for item in expected["items"] if item["versions"]]
    assert apidiscovery.aggregated([group for group in FOUND if group.name]) == expected


@pytest.mark.golden
@pytest.mark.parametrize(("group", "version"), sorted(SERVED))
def test_resource_lists_are_upstreams(group: str, version: str) -> None:
    rows = next(one for one in FOUND if one.name == group).versions[version]
    expected = golden(f"apis__{group}__{version}" if group else f"api__{version}")
    assert apidiscovery.api_resource_list(group, version, rows) == expected


@pytest.mark.golden
def test_groups_are_upstreams() -> None:
    expected = golden("apis")["groups"]
    found = apidiscovery.api_group_list(FOUND)["groups"]
    served = {group["name"] for group in found}
    assert [group["name"] for group in found] == [
        group["name"] for group in expected if group["name"] in served
    ]
    autoscaling = next(group for group in FOUND if group.name == "autoscaling")
    assert apidiscovery.api_group(autoscaling) == golden("apis__autoscaling")


def test_versions_sort_as_kubernetes_versions() -> None:
    versions = ["v1alpha1", "foo", "v10", "v2beta1", "v2", "v1", "v1beta2", "v10beta3", "bar"]
    assert sorted(versions, key=apidiscovery.version_rank) == [
        "v10", "v2", "v1", "v10beta3", "v2beta1", "v1beta2", "v1alpha1", "bar", "foo",
    ]  # fmt: skip
