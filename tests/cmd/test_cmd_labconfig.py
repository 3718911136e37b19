# SPDX-License-Identifier: Apache-2.0
"""A lab's settings: what is chosen, what stays, what is refused."""

import ipaddress
import json

import pytest

from pybernetes.cmd.config import ClusterConfig
from pybernetes.cmd.labconfig import ConfigError, LabNode, resolve, with_ranges


def networks(*texts: str) -> list[ipaddress.IPv4Network]:
    return [ipaddress.IPv4Network(text) for text in texts]


def lab(*nodes: dict, **more: object) -> dict:
    return {"name": "lab", "lab": {"nodes": list(nodes), **more}}


def test_a_number_of_nodes_is_a_control_plane_and_workers():
    found = resolve({"name": "lab", "nodes": 2})
    assert [node["name"] for node in found["lab"]["nodes"]] == ["lab-control-plane", "w1", "w2"]
    first = LabNode.parse(found["lab"]["nodes"][0])
    assert first.role_labels == {"node-role.kubernetes.io/control-plane": ""}
    assert first.all_taints[0]["effect"] == "NoSchedule"
    assert (found["cluster_cidr"], found["service_cidr"]) == ("172.16.0.0/16", "10.96.0.0/12")


def test_taken_ranges_are_stepped_over_and_the_choice_stays():
    busy = networks("172.16.0.0/16", "10.96.0.0/12", "192.168.100.0/24")
    first = resolve(lab({"name": "w1"}), busy)
    assert first["cluster_cidr"] == "172.17.0.0/16"
    assert first["service_cidr"] == "10.112.0.0/12"
    assert first["lab"]["nodes"][0]["address"] == "192.168.101.10"
    assert resolve(first) == first


def test_a_cluster_beside_a_lab_gets_ranges_of_its_own_once():
    plain = {"name": "one", "port": 0}
    assert with_ranges(plain, [])["service_cidr"] == "10.96.0.0/16"
    found = with_ranges(plain, networks("10.96.0.0/12", "10.244.0.0/16"))
    assert (found["cluster_cidr"], found["service_cidr"]) == ("10.245.0.0/16", "10.112.0.0/16")
    assert with_ranges(found, networks("10.112.0.0/16")) == found
    assert (
        with_ranges({"service_cidr": "10.96.0.0/16"}, networks("10.96.0.0/12"))["service_cidr"]
        == "10.96.0.0/16"
    )  # asked for: refused by name when it starts


def test_nodes_added_later_leave_the_addresses_of_the_others_alone():
    first = resolve(lab({"name": "w1"}, {"name": "w2"}))
    nodes = first["lab"]["nodes"]
    first["lab"]["nodes"] = [{"name": "w0"}, nodes[1]]
    assert [node["address"] for node in resolve(first)["lab"]["nodes"]] == [
        "192.168.100.10",
        "192.168.100.11",
    ]


def test_a_chosen_node_network_moves_when_the_machine_has_moved_into_it():
    first = resolve(lab({"name": "w1"}))
    moved = resolve(first, networks("192.168.100.0/24"))
    assert moved["lab"]["nodes"][0]["address"] == "192.168.101.10"
    assert moved["cluster_cidr"] == first["cluster_cidr"]
    asked = resolve(lab({"name": "w1"}, network="192.168.1.0/24"))
    with pytest.raises(ConfigError, match=r"network 192.168.1.0/24 overlaps with 192.168.0.0/16"):
        resolve(asked, networks("192.168.0.0/16"))


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([], "a lab needs nodes"),
        ([{"name": "a"}, {"name": "a"}], 'node a: name: "a" is taken by another node'),
        ([{"name": "A"}], "no node name"),
        ([{"name": "a", "role": "boss"}], "neither worker nor control-plane"),
        ([{"name": "a", "cpu": "much"}], 'node a: cpu: "much" is not a quantity'),
        ([{"name": "a", "disk": "1Gi"}], "disk is not supported"),
        ([{"name": "a", "address": "10.0.0.1"}], "is outside of the nodes' range"),
        ([{"name": "a", "address": "192.168.1.1"}], "is not free"),
        ([{"name": str(n), "address": "192.168.1.9"} for n in (1, 2)], '"192.168.1.9" is taken'),
        ([{"name": "a", "labels": {"x/y/z": ""}}], "node a: labels: "),
        ([{"name": f"w{number}"} for number in range(300)], "too small for 300 nodes"),
    ],
)
def test_what_cannot_work_is_refused_by_name(nodes, said):
    with pytest.raises(ConfigError, match=said):
        resolve(lab(*nodes, network="192.168.1.0/24"))


def test_labels_that_a_kubelet_may_not_claim_are_left_to_the_main_process():
    node = LabNode("w1", labels={"disk": "ssd", "node-role.kubernetes.io/worker": ""})
    assert node.own_labels == {"disk": "ssd"}
    assert node.role_labels == {"node-role.kubernetes.io/worker": ""}


def test_config_json_gives_the_hosts_address_in_the_segment(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(lab({"name": "w1"}, network="10.9.0.0/24")))
    config = ClusterConfig.read(tmp_path)
    assert config.gateway == "10.9.0.1"
    assert [str(network) for network in config.networks] == [
        "172.16.0.0/16",
        "10.96.0.0/12",
        "10.9.0.0/24",
    ]
