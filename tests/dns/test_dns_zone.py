# SPDX-License-Identifier: Apache-2.0
"""Names of Services, endpoints and pods, as the DNS specification of Kubernetes words them."""

from collections.abc import Iterable
from typing import Any

import pytest

from pybernetes.dns.zone import Zone

Object = dict[str, Any]


class FakeCluster:
    """Services and slices given as lists."""

    def __init__(self, services: list[Object], slices: list[Object]) -> None:
        self._services, self._slices = services, slices

    def service(self, namespace: str, name: str) -> Object | None:
        found = [
            one
            for one in self._services
            if one["metadata"] == {"namespace": namespace, "name": name}
        ]
        return found[0] if found else None

    def slices(self, namespace: str, service: str) -> Iterable[Object]:
        return [
            one
            for one in self._slices
            if one["metadata"]["labels"]["kubernetes.io/service-name"] == service
        ]

    def services_at(self, address: str) -> Iterable[Object]:
        return [one for one in self._services if one["spec"].get("clusterIP") == address]

    def slices_at(self, address: str) -> Iterable[Object]:
        return [
            one
            for one in self._slices
            if any(address in end["addresses"] for end in one["endpoints"])
        ]

    def has_namespace(self, namespace: str) -> bool:
        return namespace == "default"


PORTS = [{"name": "http", "port": 80, "protocol": "TCP"}]


def service(name: str, **spec: Any) -> Object:
    return {"metadata": {"namespace": "default", "name": name}, "spec": {"ports": PORTS, **spec}}


@pytest.fixture
def zone() -> Zone:
    slices = [
        {
            "metadata": {"namespace": "default", "labels": {"kubernetes.io/service-name": "db"}},
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            "endpoints": [
                {"addresses": ["10.244.0.5"], "hostname": "db-0", "conditions": {"ready": True}},
                {"addresses": ["10.244.0.6"], "conditions": {"ready": True}},
                {"addresses": ["10.244.0.7"], "conditions": {"ready": False}},
            ],
        }
    ]
    services = [
        service("web", clusterIP="10.96.0.5"),
        service("db", clusterIP="None"),
        service("out", type="ExternalName", externalName="example.org"),
    ]
    return Zone(FakeCluster(services, slices), "cluster.local", "10.96.0.10")


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("web.default.svc.cluster.local", "A", ["10.96.0.5"]),
        ("WEB.default.svc.cluster.local", "A", ["10.96.0.5"]),
        ("web.default.svc.cluster.local", "AAAA", []),
        (
            "_http._tcp.web.default.svc.cluster.local",
            "SRV",
            [(80, "web.default.svc.cluster.local")],
        ),
        ("db.default.svc.cluster.local", "A", ["10.244.0.5", "10.244.0.6"]),
        ("db-0.db.default.svc.cluster.local", "A", ["10.244.0.5"]),
        ("10-244-0-6.db.default.svc.cluster.local", "A", ["10.244.0.6"]),
        ("out.default.svc.cluster.local", "A", ["example.org"]),
        ("10-244-0-9.default.pod.cluster.local", "A", ["10.244.0.9"]),
        ("fd00--7.default.pod.cluster.local", "AAAA", ["fd00::7"]),
        ("10-244-0-9.default.pod.cluster.local", "AAAA", []),
        ("dns-version.cluster.local", "TXT", ["1.1.0"]),
        ("cluster.local", "NS", ["ns.dns.cluster.local"]),
        ("ns.dns.cluster.local", "A", ["10.96.0.10"]),
        ("default.svc.cluster.local", "A", []),
    ],
)
def test_names_that_exist(zone: Zone, name: str, kind: str, expected: list[Any]) -> None:
    answer = zone.answer(name, kind)
    assert answer.exists
    assert sorted(record.data for record in answer.records) == sorted(expected)


@pytest.mark.parametrize(
    "name",
    [
        "nope.default.svc.cluster.local",
        "web.other.svc.cluster.local",
        "x.web.default.svc.cluster.local",
        "_https._tcp.web.default.svc.cluster.local",
        "10-244-0.default.pod.cluster.local",
        "10-244-0-9.other.pod.cluster.local",
        "unknown.cluster.local",
        "*.default.svc.cluster.local",
        "kubernetes.io.default.svc.cluster.local",
        "google.com.cluster.local",
    ],
)
def test_names_that_do_not_exist(zone: Zone, name: str) -> None:
    assert not zone.answer(name, "A").exists


def test_headless_srv_names_each_endpoint_and_adds_its_address(zone: Zone) -> None:
    answer = zone.answer("_http._tcp.db.default.svc.cluster.local", "SRV")
    assert [record.data for record in answer.records] == [
        (8080, "10-244-0-6.db.default.svc.cluster.local"),
        (8080, "db-0.db.default.svc.cluster.local"),
    ]
    assert [record.data for record in answer.extra] == ["10.244.0.6", "10.244.0.5"]


def test_reverse_lookups(zone: Zone) -> None:
    assert zone.reverse("10.96.0.5") == ["web.default.svc.cluster.local"]
    assert zone.reverse("10.244.0.5") == ["db-0.db.default.svc.cluster.local"]
    assert zone.reverse("10.1.1.1") == []
