# SPDX-License-Identifier: Apache-2.0
"""Endpoints and EndpointSlices: the plans on their own, then over the real API server."""

import asyncio

from pybernetes.apimachinery.types import GVR, Object
from pybernetes.controllers.endpoints import plan_subsets
from pybernetes.controllers.endpointslice.plan import MAXIMUM, plan_slices
from pybernetes.controllers.endpointslicemirroring import MANAGER, plan_mirror
from pybernetes.controllers.runtime.slices import MANAGED_BY

NODES = GVR("", "v1", "nodes")
PODS = GVR("", "v1", "pods")
SERVICES = GVR("", "v1", "services")
ENDPOINTS = GVR("", "v1", "endpoints")
SLICES = GVR("discovery.k8s.io", "v1", "endpointslices")


def service(**spec: object) -> Object:
    ports = [{"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP"}]
    spec = {"selector": {"app": "a"}, "ports": ports, "ipFamilies": ["IPv4"], **spec}
    metadata = {"name": "svc", "namespace": "default", "uid": "s"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def pod(number: int, *, ready: bool = True, port: int = 8080) -> Object:
    container = {"name": "c", "ports": [{"name": "web", "containerPort": port}]}
    return {
        "metadata": {"name": f"p{number}", "namespace": "default", "uid": f"u{number}"},
        "spec": {"nodeName": "n", "containers": [container]},
        "status": {
            "phase": "Running",
            "podIP": f"10.0.{number // 250}.{number % 250 + 1}",
            "conditions": [{"type": "Ready", "status": str(ready)}],
        },
    }


def slices(pods: list[Object], current: list[Object] | None = None, **spec: object):
    node = {"metadata": {"labels": {"topology.kubernetes.io/zone": "z1"}}}
    return plan_slices(service(**spec), pods, current or [], lambda _: node)


def stored(plan, current: list[Object] | None = None) -> list[Object]:
    """The slices after the plan was applied."""
    result = {one["metadata"]["name"]: one for one in current or []}
    for one in plan.delete:
        del result[one["metadata"]["name"]]
    for one in plan.update:
        result[one["metadata"]["name"]] = one
    for one in plan.create:
        name = f"svc-{len(result)}"
        result[name] = {**one, "metadata": {**one["metadata"], "name": name}}
    return list(result.values())


def test_a_slice_of_no_more_use_takes_other_ports() -> None:
    before = stored(slices([pod(1)]))
    plan = slices([pod(1, port=9090)], before)
    assert (plan.create, plan.delete) == ([], [])
    (one,) = stored(plan, before)
    assert [port["port"] for port in one["ports"]] == [9090]
    assert len(one["endpoints"]) == 1


def test_a_named_port_may_be_another_number_on_each_pod() -> None:
    subsets, _ = plan_subsets(service(), [pod(1), pod(2, port=9090), pod(3, ready=False)])
    assert [subset["ports"][0]["port"] for subset in subsets] == [8080, 9090]
    assert [one["ip"] for one in subsets[0]["addresses"]] == ["10.0.0.2"]
    assert [one["ip"] for one in subsets[0]["notReadyAddresses"]] == ["10.0.0.4"]


def test_endpoints_are_cut_at_a_thousand() -> None:
    subsets, cut = plan_subsets(service(), [pod(n) for n in range(1200)])
    assert cut
    assert len(subsets[0]["addresses"]) == 1000


def test_slices_are_filled_and_changed_as_little_as_possible() -> None:
    pods = [pod(n) for n in range(250)]
    first = stored(slices(pods))
    assert [len(one["endpoints"]) for one in first] == [MAXIMUM, MAXIMUM, 50]
    assert slices(pods, first) == slices([], []).__class__()  # nothing to do
    pods[3] = pod(3, ready=False)
    plan = slices(pods, first)
    assert (len(plan.create), len(plan.update), len(plan.delete)) == (0, 1, 0)
    changed = next(e for e in plan.update[0]["endpoints"] if e["targetRef"]["name"] == "p3")
    assert changed["conditions"] == {"ready": False, "serving": False, "terminating": False}
    plan = slices([*pods, pod(250)], stored(plan, first))
    assert [len(one["endpoints"]) for one in plan.update] == [51]
    assert plan.create == plan.delete == []


def test_a_service_without_pods_keeps_one_empty_slice() -> None:
    empty = stored(slices([]))
    assert [one["endpoints"] for one in empty] == [[]]
    full = stored(slices([pod(1)], empty), empty)
    assert [len(one["endpoints"]) for one in full] == [1]
    assert [one["endpoints"] for one in stored(slices([], full), full)] == [[]]


def test_traffic_distribution_hints_at_the_own_zone() -> None:
    plan = slices([pod(1)], trafficDistribution="PreferClose")
    assert plan.create[0]["endpoints"][0]["hints"] == {"forZones": [{"name": "z1"}]}


def test_endpoints_follow_pods(in_cluster) -> None:
    async def main(cluster) -> None:
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}
        await cluster.client.create(NODES, node)
        made = service()
        del made["metadata"]["uid"]
        await cluster.create(SERVICES, made)
        container = {"name": "c", "image": "i", "ports": [{"name": "web", "containerPort": 8080}]}
        spec = {"nodeName": "n1", "containers": [container], "terminationGracePeriodSeconds": 20}
        metadata = {"name": "p", "labels": {"app": "a"}}
        cluster.grace = 15.0
        obj = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        await cluster.create(PODS, obj)

        async def conditions():
            found = await cluster.list(SLICES, selector=f"{MANAGED_BY}")
            return [e["conditions"] for one in found for e in one.get("endpoints") or ()]

        async def subsets():
            if await cluster.gone(ENDPOINTS, "svc"):
                return None
            return (await cluster.client.get(ENDPOINTS, "svc", "default")).get("subsets")

        async def ready():
            return await subsets() and [one["ready"] for one in await conditions()] == [True]

        await cluster.eventually(ready)
        await cluster.client.delete(PODS, "p", "default")

        async def terminating():
            return [one["terminating"] for one in await conditions()] == [True]

        await cluster.eventually(terminating)
        assert not await subsets()

        async def empty():
            return await conditions() == []

        await cluster.eventually(empty)
        await cluster.client.delete(SERVICES, "svc", "default")
        await cluster.eventually(lambda: cluster.gone(ENDPOINTS, "svc"))

        async def no_slices():
            return await cluster.list(SLICES, selector=f"{MANAGED_BY}") == []

        await cluster.eventually(no_slices)

    in_cluster(main)


def test_slices_say_since_when_their_newest_change_waits() -> None:
    pods = [pod(1), pod(2)]
    for one, since in zip(pods, ("T10:00:00Z", "T11:00:00Z"), strict=True):
        one["status"]["conditions"][0]["lastTransitionTime"] = f"2026-01-01{since}"
    first = slices(pods).create[0]
    trigger = "endpoints.kubernetes.io/last-change-trigger-time"
    assert first["metadata"]["annotations"] == {trigger: "2026-01-01T10:00:00Z"}
    first["metadata"]["name"] = "svc-0"
    pods[1] = pod(2, ready=False)
    pods[1]["status"]["conditions"][0]["lastTransitionTime"] = "2026-01-01T12:00:00Z"
    changed = slices(pods, [first]).update[0]
    assert changed["metadata"]["annotations"] == {trigger: "2026-01-01T12:00:00Z"}
    assert slices(pods[:1], [changed]).update[0]["metadata"]["annotations"] == {}


def hand_made(*ips: str, port: int = 80, **labels: str) -> Object:
    subset = {"addresses": [{"ip": ip} for ip in ips], "ports": [{"name": "http", "port": port}]}
    metadata = {"name": "svc", "namespace": "default", "labels": labels}
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": [subset]}


def test_families_and_ports_are_mirrored_apart_and_what_is_no_address_is_counted() -> None:
    endpoints = hand_made("10.1.2.3", "fd00::1", "somewhere")
    endpoints["subsets"].append(hand_made("10.1.2.4", port=90)["subsets"][0])
    plan, invalid, skipped = plan_mirror(endpoints, [])
    made = [(one["addressType"], one["ports"][0]["port"]) for one in plan.create]
    assert made == [("IPv4", 80), ("IPv6", 80), ("IPv4", 90)]
    assert (invalid, skipped) == (1, 0)
    many = hand_made(*(f"10.1.{n // 250}.{n % 250}" for n in range(1003)))
    assert plan_mirror(many, [])[2] == 3


def test_hand_made_endpoints_are_mirrored_as_long_as_they_should_be(in_cluster) -> None:
    async def main(cluster) -> None:
        await cluster.create(SERVICES, service(selector=None))
        await cluster.create(ENDPOINTS, hand_made("10.1.2.3", app="a"))

        async def mirrored() -> list[Object]:
            return await cluster.list(SLICES, selector=f"{MANAGED_BY}={MANAGER}")

        async def shows(ip: str, port: int) -> bool:
            found = await mirrored()
            return [
                (one["endpoints"][0]["addresses"], one["ports"][0]["port"]) for one in found
            ] == [([ip], port)]

        await cluster.eventually(lambda: shows("10.1.2.3", 80))
        first = (await mirrored())[0]["metadata"]
        assert first["labels"]["app"] == "a"
        assert first["ownerReferences"][0]["kind"] == "Endpoints"
        await cluster.client.update(ENDPOINTS, hand_made("10.2.3.4", port=81), "default")
        await cluster.eventually(lambda: shows("10.2.3.4", 81))
        changed = (await mirrored())[0]["metadata"]
        assert changed["name"] == first["name"]  # the same slice took the new ports
        await asyncio.sleep(60)
        assert (await mirrored())[0]["metadata"] == changed  # nothing is written for nothing

        async def nothing() -> bool:
            return await mirrored() == []

        skipping = {"metadata": {"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}}
        await cluster.client.patch(ENDPOINTS, "svc", skipping, "default")
        await cluster.eventually(nothing)
        skipping["metadata"]["labels"] = {"endpointslice.kubernetes.io/skip-mirror": None}
        await cluster.client.patch(ENDPOINTS, "svc", skipping, "default")
        await cluster.eventually(lambda: shows("10.2.3.4", 81))
        await cluster.client.delete(ENDPOINTS, "svc", "default")
        await cluster.eventually(nothing)

    in_cluster(main)
