# SPDX-License-Identifier: Apache-2.0
"""Services and EndpointSlices in, nftables transactions out."""

import os
import shutil
from typing import Any

import pytest

from pybernetes.linux import nft
from pybernetes.linux.commands import run
from pybernetes.proxy.ruleset import Rules, base, rules, script
from pybernetes.proxy.services import service_ports


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


def test_ready_endpoints_win_and_leaving_ones_are_the_last_resort() -> None:
    web = service("web", "10.96.0.5")
    both = slice_of("web", ("10.244.0.2", "n1", READY), ("10.244.0.3", "n1", LEAVING))
    only_leaving = slice_of("web", ("10.244.0.3", "n1", LEAVING), ("10.244.0.4", "n1", BROKEN))
    assert service_ports([web], [both], "n1")[0].backends == (("10.244.0.2", 8080),)
    assert service_ports([web], [only_leaving], "n1")[0].backends == (("10.244.0.3", 8080),)


def test_local_policies_keep_to_this_node() -> None:
    web = service(
        "web",
        "10.96.0.5",
        internalTrafficPolicy="Local",
        externalTrafficPolicy="Local",
        node_port=30080,
    )
    slices = [slice_of("web", ("10.244.0.2", "n1", READY), ("10.244.1.2", "n2", READY))]
    port = service_ports([web], slices, "n2")[0]
    assert port.backends == port.external_backends == (("10.244.1.2", 8080),)


def test_headless_and_external_name_services_have_no_rules() -> None:
    headless = service("a", "None")
    external = service("b", "", type="ExternalName")
    assert service_ports([headless, external], [], "n1") == []


def test_a_service_without_endpoints_rejects() -> None:
    found = rules(service_ports([service("web", "10.96.0.5", node_port=30080)], [], "n1"))
    assert found.elements == {
        "no-endpoint-services": {"10.96.0.5 . tcp . 80": "goto reject-chain"},
        "no-endpoint-nodeports": {"tcp . 30080": "goto reject-chain"},
    }


def test_only_what_changed_is_written() -> None:
    web, db = service("web", "10.96.0.5"), service("db", "10.96.0.6")
    one = [
        slice_of("web", ("10.244.0.2", "n1", READY)),
        slice_of("db", ("10.244.0.9", "n1", READY)),
    ]
    two = [slice_of("web", ("10.244.0.2", "n1", READY), ("10.244.0.3", "n1", READY)), one[1]]
    before, after = (rules(service_ports([web, db], slices, "n1")) for slices in (one, two))
    text = script("t", before, after)
    assert "10.244.0.3" in text
    assert "10.244.0.9" not in text
    assert script("t", after, after) == ""


@pytest.mark.node
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="needs root and nft")
async def test_the_kernel_takes_every_transition() -> None:
    table = "pybernetes-test-proxy"
    affinity = {"sessionAffinity": "ClientIP"}
    services = [
        [],
        [service("web", "10.96.0.5", node_port=30080), service("none", "10.96.0.7")],
        [
            service("web", "10.96.0.5", **affinity),
            service("ext", "10.96.0.8", externalIPs=["192.0.2.9"]),
        ],
        [
            service(
                "web",
                "10.96.0.5",
                sessionAffinityConfig={"clientIP": {"timeoutSeconds": 60}},
                **affinity,
            )
        ],
        [],
    ]
    slices = [
        slice_of("web", ("10.244.0.2", "n1", READY), ("10.244.0.3", "n2", READY)),
        slice_of("ext", ("10.244.0.4", "n1", READY)),
    ]
    written = Rules()
    try:
        await nft.apply(base(table))
        empty = await run(["nft", "list", "table", "ip", table])
        for present in services:
            desired = rules(service_ports(present, slices, "n1"))
            text = script(table, written, desired)
            if text:
                await nft.apply(text)
            written = desired
        assert await run(["nft", "list", "table", "ip", table]) == empty
    finally:
        await nft.delete_table("ip", table)
