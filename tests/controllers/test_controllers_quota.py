# SPDX-License-Identifier: Apache-2.0
"""ResourceQuotas: charged on create, refused beyond, freed on delete; scopes; what must be said."""

import asyncio

import pytest

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.core import quota as rules

PODS, QUOTAS = GVR("", "v1", "pods"), GVR("", "v1", "resourcequotas")
SERVICES, SECRETS = GVR("", "v1", "services"), GVR("", "v1", "secrets")


def quota(hard: dict[str, str], **spec: object) -> Object:
    spec = {"hard": hard, **spec}
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q"},
        "spec": spec,
    }


def pod(name: str, requests: dict[str, str] | None = None, **spec: object) -> Object:
    container = {"name": "c", "image": "i", "resources": {"requests": requests or {}}}
    spec = {"containers": [container], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def used(cluster, **wanted: str):
    async def check() -> bool:
        status = (await cluster.client.get(QUOTAS, "q", "default")).get("status") or {}
        names = {key.replace("_", "."): value for key, value in wanted.items()}
        return all((status.get("used") or {}).get(key) == value for key, value in names.items())

    return cluster.eventually(check)


async def refused(cluster, gvr: GVR, obj: Object) -> str:
    with pytest.raises(ApiError) as caught:
        await cluster.create(gvr, obj)
    assert caught.value.code == 403
    return str(caught.value)


def test_pods_are_charged_refused_and_freed(in_cluster) -> None:
    async def main(cluster) -> None:
        await cluster.create(QUOTAS, quota({"pods": "2", "requests.cpu": "1", "memory": "1Gi"}))
        await used(cluster, pods="0", requests_cpu="0", memory="0")
        await cluster.create(PODS, pod("a", {"cpu": "600m", "memory": "500Mi"}))
        await used(cluster, pods="1", requests_cpu="600m", memory="500Mi")
        text = await refused(cluster, PODS, pod("b", {"cpu": "500m", "memory": "1Mi"}))
        assert "exceeded quota: q, requested: requests.cpu=500m, used: requests.cpu=600m" in text
        assert "limited: requests.cpu=1" in text
        text = await refused(cluster, PODS, pod("c"))
        assert "failed quota: q: must specify memory for: c; requests.cpu for: c" in text
        await cluster.client.delete(PODS, "a", "default")
        await used(cluster, pods="0", requests_cpu="0", memory="0")
        await cluster.create(PODS, pod("b", {"cpu": "500m", "memory": "1Mi"}))

    in_cluster(main)


def test_many_creates_at_once_never_exceed_the_quota(in_cluster) -> None:
    async def main(cluster) -> None:
        await cluster.create(QUOTAS, quota({"pods": "5"}))
        await used(cluster, pods="0")
        names = [f"p{number}" for number in range(20)]
        tries = [cluster.create(PODS, pod(name)) for name in names]
        results = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(isinstance(result, dict) for result in results) == 5
        await used(cluster, pods="5")

    in_cluster(main)


def test_counts_of_any_kind_and_services(in_cluster) -> None:
    hard = {"count/deployments.apps": "1", "secrets": "5", "services": "2"}
    hard |= {"services.nodeports": "1"}  # the service kubernetes counts too

    async def main(cluster) -> None:
        await cluster.create(QUOTAS, quota(hard))
        await used(cluster, secrets="0", services_nodeports="0")
        secret = {"metadata": {"name": "s"}, "apiVersion": "v1", "kind": "Secret"}
        await cluster.create(SECRETS, secret)
        await used(cluster, secrets="1")
        ports = [{"port": 80}, {"port": 81}]
        metadata = {"name": "web"}
        spec = {"type": "NodePort", "ports": [{**port, "name": str(port)[-3:-1]} for port in ports]}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
        for number, port in enumerate(spec["ports"]):
            port["name"] = f"p{number}"
        assert "services.nodeports=2" in await refused(cluster, SERVICES, service)
        spec["ports"].pop()
        await cluster.create(SERVICES, service)
        await used(cluster, services="2", services_nodeports="1")

    in_cluster(main)


@pytest.mark.parametrize(
    ("scope", "spec", "counted"),
    [
        ("BestEffort", {}, True),
        ("NotBestEffort", {}, False),
        ("Terminating", {"activeDeadlineSeconds": 5}, True),
        ("NotTerminating", {"activeDeadlineSeconds": 5}, False),
        ("NotTerminating", {}, True),
    ],
)
def test_scopes_choose_pods(scope, spec, counted) -> None:
    scoped = quota({"pods": "1"}, scopes=[scope])
    assert rules.matches(scoped, rules.PODS, pod("a", **spec)) is counted


def test_a_priority_class_scope_selects_by_name() -> None:
    term = {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}
    scoped = quota({"pods": "1"}, scopeSelector={"matchExpressions": [term]})
    assert rules.matches(scoped, rules.PODS, pod("a", priorityClassName="high"))
    assert not rules.matches(scoped, rules.PODS, pod("a"))


def test_a_claim_counts_for_its_class_even_if_only_the_old_annotation_names_it() -> None:
    claim = {
        "metadata": {"annotations": {"volume.beta.kubernetes.io/storage-class": "gold"}},
        "spec": {"resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "silver"},
    }
    used = rules.usage(rules.CLAIMS, claim)
    assert used["gold.storageclass.storage.k8s.io/requests.storage"] == 1 << 30
    assert used["gold.storageclass.storage.k8s.io/persistentvolumeclaims"] == 1
    assert not any(name.startswith("silver") for name in used)
