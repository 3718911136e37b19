# SPDX-License-Identifier: Apache-2.0
"""Services and EndpointSlices in, nftables transactions out."""

import os
import shutil
from typing import Any

import pytest

from pybernetes.linux import nft
from pybernetes.linux.commands import run
from pybernetes.proxy.config import ProxyConfig
from pybernetes.proxy.ruleset import Rules, base, rules
from pybernetes.proxy.services import Place, View, settled, view
from pybernetes.proxy.table import Table


def service(name: str, ip: str, **spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "protocol": "TCP", "nodePort": spec.pop("node_port", 0)}]
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"clusterIP": ip, "clusterIPs": [ip], "ports": ports, **spec},
    }


def slice_of(name: str, *endpoints: tuple[str, str, dict[str, bool]]) -> dict[str, Any]:
    return {
        "metadata": {
            "name": f"{name}-x",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [
            {"addresses": [address], "nodeName": node, "conditions": conditions}
            for address, node, conditions in endpoints
        ],
    }


READY = {"ready": True, "serving": True, "terminating": False}
LEAVING = {"ready": False, "serving": True, "terminating": True}
BROKEN = {"ready": False, "serving": False, "terminating": False}
HERE = Place("n1", "west")
CONFIG = ProxyConfig("n1", table="pybernetes-test-proxy", cluster_cidr="10.244.0.0/16")


def test_ready_endpoints_win_and_leaving_ones_are_the_last_resort() -> None:
    web = service("web", "10.96.0.5")
    both = slice_of("web", ("10.244.0.2", "n1", READY), ("10.244.0.3", "n1", LEAVING))
    only_leaving = slice_of("web", ("10.244.0.3", "n1", LEAVING), ("10.244.0.4", "n1", BROKEN))
    assert view(web, [both], HERE).ports[0].cluster == (("10.244.0.2", 8080),)
    assert view(web, [only_leaving], HERE).ports[0].cluster == (("10.244.0.3", 8080),)


def test_of_two_endpoints_with_one_address_the_one_that_stays_counts() -> None:
    web = service("web", "10.96.0.5")
    slices = [
        slice_of("web", ("10.244.0.2", "n1", READY)),
        slice_of("web", ("10.244.0.2", "n1", LEAVING), ("10.244.0.3", "n1", READY)),
    ]
    expected = (("10.244.0.2", 8080), ("10.244.0.3", 8080))
    assert view(web, slices, HERE).ports[0].cluster == expected


@pytest.mark.parametrize(
    ("hints", "expected"),
    [
        (({"forZones": [{"name": "west"}]}, {"forZones": [{"name": "east"}]}), [0]),
        (({"forZones": [{"name": "west"}]}, {}), [0, 1]),  # not all have hints
        (({"forZones": [{"name": "east"}]}, {"forZones": [{"name": "east"}]}), [0, 1]),
        (
            (
                {"forZones": [{"name": "west"}], "forNodes": [{"name": "n2"}]},
                {"forZones": [{"name": "west"}], "forNodes": [{"name": "n1"}]},
            ),
            [1],
        ),
    ],
)
def test_hints_choose_the_node_then_the_zone_then_all(
    hints: tuple[dict[str, Any], ...], expected: list[int]
) -> None:
    one = slice_of("web", ("10.244.0.2", "n1", READY), ("10.244.1.2", "n2", READY))
    for endpoint, hint in zip(one["endpoints"], hints, strict=True):
        endpoint["hints"] = hint
    all_of_them = [("10.244.0.2", 8080), ("10.244.1.2", 8080)]
    found = view(service("web", "10.96.0.5"), [one], HERE).ports[0].cluster
    assert list(found) == [all_of_them[at] for at in expected]


def test_local_policies_keep_to_this_node_and_drop_where_it_has_nothing() -> None:
    local = {"internalTrafficPolicy": "Local", "externalTrafficPolicy": "Local"}
    web = service("web", "10.96.0.5", node_port=30080, **local)
    slices = [slice_of("web", ("10.244.0.2", "n1", READY), ("10.244.1.2", "n2", READY))]
    port = view(web, slices, HERE).ports[0]
    assert (port.local, len(port.cluster)) == ((("10.244.0.2", 8080),), 2)
    nothing_here = view(web, slices, Place("n3")).ports
    assert rules(nothing_here, CONFIG).elements == {
        ("no-endpoint-services", "10.96.0.5 . tcp . 80"): "drop",
        ("service-nodeports", "tcp . 30080"): "goto external-default/web/tcp/http",
        ("no-endpoint-nodeports", "tcp . 30080"): "drop",
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"clusterIP": "None", "clusterIPs": ["None"]},
        {"type": "ExternalName", "clusterIP": ""},
        {"labels": {"service.kubernetes.io/service-proxy-name": "mine"}},
        {"labels": {"service.kubernetes.io/headless": ""}},
    ],
)
def test_services_that_are_not_ours_have_no_rules(changes: dict[str, Any]) -> None:
    one = service("a", "10.96.0.5")
    one["metadata"]["labels"] = changes.pop("labels", {})
    one["spec"] |= changes
    assert view(one, [slice_of("a", ("10.244.0.2", "n1", READY))], HERE) == View()


def test_a_service_without_endpoints_rejects() -> None:
    found = rules(view(service("web", "10.96.0.5", node_port=30080), [], HERE).ports, CONFIG)
    assert found.elements == {
        ("no-endpoint-services", "10.96.0.5 . tcp . 80"): "goto reject-chain",
        ("no-endpoint-nodeports", "tcp . 30080"): "goto reject-chain",
    }


def test_endpoints_keep_their_places_so_that_little_is_written() -> None:
    web = service("web", "10.96.0.5")
    ends = [(f"10.244.0.{n}", "n2", READY) for n in range(1, 101)]
    before = view(web, [slice_of("web", *ends)], HERE)
    after = settled(view(web, [slice_of("web", *ends[:40], *ends[41:])], HERE), before)
    table = Table("t")
    table.replace("default/web", Rules(), rules(before.ports, CONFIG))
    table.take(0)
    table.replace("default/web", rules(before.ports, CONFIG), rules(after.ports, CONFIG))
    text = table.take(0)
    assert text.count("10.244.0.") == 1  # the last one takes the place of the one that is gone
    assert len(after.ports[0].cluster) == 99


def test_a_second_service_gets_an_address_when_the_first_gives_it_up() -> None:
    slices = {name: [slice_of(name, ("10.244.0.2", "n1", READY))] for name in ("a", "b")}
    found = {
        name: rules(
            view(service(name, ip, externalIPs=["192.0.2.9"]), slices[name], HERE).ports, CONFIG
        )
        for name, ip in (("a", "10.96.0.5"), ("b", "10.96.0.6"))
    }
    table = Table("t")
    assert table.replace("a", Rules(), found["a"]) == []
    assert table.replace("b", Rules(), found["b"]) == []
    text = table.take(0)
    assert "192.0.2.9 . tcp . 80 : goto external-default/a/tcp/http" in text
    assert "192.0.2.9 . tcp . 80 : goto external-default/b/tcp/http" not in text
    assert table.replace("a", found["a"], Rules()) == ["b"]
    assert table.replace("b", found["b"], found["b"]) == []
    assert "192.0.2.9 . tcp . 80 : goto external-default/b/tcp/http" in table.take(0)


def test_balancer_ranges_allow_the_node_where_they_hold_it() -> None:
    spec = {"type": "LoadBalancer", "loadBalancerSourceRanges": [" 192.0.2.0/24", "fd00::/8"]}
    web = service("web", "10.96.0.5", **spec)
    web["status"] = {"loadBalancer": {"ingress": [{"ip": "198.51.100.7"}]}}
    ports = view(web, [], HERE).ports
    chain = "firewall-default/web/tcp/http"
    assert rules(ports, CONFIG).chains[chain] == ("ip saddr != { 192.0.2.0/24 } drop",)
    allowed = rules(ports, CONFIG, node_ip="192.0.2.1").chains[chain]
    assert allowed == ("ip saddr != { 192.0.2.0/24, 198.51.100.7 } drop",)


@pytest.mark.node
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="needs root and nft")
async def test_the_kernel_takes_every_transition() -> None:
    table = CONFIG.table
    affinity = {"sessionAffinity": "ClientIP"}
    short = {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}}}
    local = {"internalTrafficPolicy": "Local", "externalTrafficPolicy": "Local"}
    balanced = service("lb", "10.96.0.9", loadBalancerSourceRanges=["192.0.2.0/24"])
    balanced["status"] = {"loadBalancer": {"ingress": [{"ip": "198.51.100.7"}]}}
    udp = service("udp", "10.96.0.10", node_port=30053)
    udp["spec"]["ports"][0]["protocol"] = "UDP"
    sctp = service("sctp", "10.96.0.11", node_port=30054)
    sctp["spec"]["ports"][0]["protocol"] = "SCTP"
    states: list[list[dict[str, Any]]] = [
        [],
        [service("web", "10.96.0.5", node_port=30080), service("none", "10.96.0.7"), udp, sctp],
        [
            service("web", "10.96.0.5", **affinity),
            service("ext", "10.96.0.8", externalIPs=["192.0.2.9"], **local),
            balanced,
            sctp,
        ],
        [service("web", "10.96.0.5", node_port=30080, **short, **affinity, **local), balanced],
        [],
    ]
    slices = {
        "web": [slice_of("web", ("10.244.0.2", "n1", READY), ("10.244.0.3", "n2", READY))],
        "ext": [slice_of("ext", ("10.244.0.4", "n1", READY))],
    }
    for name in ("udp", "sctp"):
        slices[name] = [slice_of(name, ("10.244.0.2", "n1", READY), ("10.244.0.3", "n2", READY))]
        slices[name][0]["ports"][0]["protocol"] = name.upper()
    written: dict[str, Rules] = {}
    state = Table(table)
    try:
        await nft.apply(base(CONFIG))
        empty = await run(["nft", "list", "table", "ip", table])
        for present in states:
            desired = {
                one["metadata"]["name"]: rules(
                    view(one, slices.get(one["metadata"]["name"], []), HERE).ports, CONFIG
                )
                for one in present
            }
            for name in {**written, **desired}:
                state.replace(name, written.get(name, Rules()), desired.get(name, Rules()))
            await nft.apply(state.take(0))
            written = desired
        await nft.apply(state.delete_unused(2))
        left = await run(["nft", "list", "table", "ip", table])
        assert [line for line in left.splitlines() if "default/" in line] == []
        await nft.apply(base(CONFIG))  # with what it holds: also a fresh start is no error
        assert len(empty) > 1000
    finally:
        await nft.delete_table("ip", table)
