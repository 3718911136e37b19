# SPDX-License-Identifier: Apache-2.0
"""Services get their addresses and node ports from the store, and give them back."""

from pybernetes.apiserver.config import Config
from pybernetes.apiserver.services.ranges import parse, pick
from pybernetes.base.env import Env
from pybernetes.storage.memory import MemoryStore

SERVICES = "/api/v1/namespaces/default/services"
ADDRESSES = "/apis/networking.k8s.io/v1/ipaddresses"


def service(name="s", **spec):
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


async def test_addresses_are_taken_and_given_back(start):
    call = await start()
    made = (await call("POST", SERVICES, service(), expect=201))["spec"]
    assert made["clusterIPs"] == [made["clusterIP"]]
    assert made["ipFamilies"] == ["IPv4"]
    assert made["ipFamilyPolicy"] == "SingleStack"
    held = await call("GET", f"{ADDRESSES}/{made['clusterIP']}", expect=200)
    assert held["spec"]["parentRef"]["name"] == "s"
    again = service("t", clusterIP=made["clusterIP"])
    refused = await call("POST", SERVICES, again, expect=422)
    assert "provided IP is already allocated" in refused["message"]
    await call("DELETE", SERVICES + "/s", expect=200)
    await call("GET", f"{ADDRESSES}/{made['clusterIP']}", expect=404)
    await call("POST", SERVICES, again, expect=201)


async def test_a_type_change_frees_ports_and_addresses(start):
    call = await start()
    made = await call("POST", SERVICES, service(type="NodePort"), expect=201)
    port = made["spec"]["ports"][0]["nodePort"]
    assert 30000 <= port <= 32767
    other = service("t", type="NodePort", ports=[{"port": 1, "nodePort": port}])
    refused = await call("POST", SERVICES, other, expect=422)
    assert "provided port is already allocated" in refused["message"]
    made["spec"]["type"] = "ClusterIP"
    made = await call("PUT", SERVICES + "/s", made, expect=200)
    assert "nodePort" not in made["spec"]["ports"][0]
    await call("POST", SERVICES, other, expect=201)
    external = {"type": "ExternalName", "externalName": "example.com"}
    changed = {**made, "spec": {**made["spec"], **external}}
    changed = await call("PUT", SERVICES + "/s", changed, expect=200)
    assert "clusterIP" not in changed["spec"]
    await call("GET", f"{ADDRESSES}/{made['spec']['clusterIP']}", expect=404)


async def test_the_kubernetes_service_and_a_repair(start):
    env = Env()
    store = MemoryStore(env)
    call = await start(env=env, store=store)
    own = await call("GET", SERVICES + "/kubernetes", expect=200)
    assert own["spec"]["clusterIP"] == "10.96.0.1"
    await call("GET", f"{ADDRESSES}/10.96.0.1", expect=200)
    made = await call("POST", SERVICES, service(), expect=201)
    address = made["spec"]["clusterIP"]
    await call("DELETE", f"{ADDRESSES}/{address}", expect=200)
    call = await start(env=env, store=store)
    await call("GET", f"{ADDRESSES}/{address}", expect=200)


async def test_dual_stack(start):
    call = await start(Config(service_cluster_ip_range="10.96.0.0/16,fd00::/108"))
    made = await call("POST", SERVICES, service(ipFamilyPolicy="PreferDualStack"), expect=201)
    assert made["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
    assert len(made["spec"]["clusterIPs"]) == 2
    made["spec"]["ipFamilyPolicy"] = "SingleStack"
    made = await call("PUT", SERVICES + "/s", made, expect=200)
    assert made["spec"]["ipFamilies"] == ["IPv4"]


def test_a_full_range_has_nothing_to_pick():
    network = parse("10.0.0.0/29").networks["IPv4"]
    used: set[str] = set()
    random = Env().random
    for _ in range(6):
        address = pick(network, random, used.__contains__)
        assert address is not None
        used.add(address)
    assert pick(network, random, used.__contains__) is None
    assert "10.0.0.0" not in used
    assert "10.0.0.7" not in used
