# SPDX-License-Identifier: Apache-2.0
"""The names of a cluster: Services, endpoints and pods -> DNS records. Pure.

Source: the DNS-Based Service Discovery specification of Kubernetes (schema version 1.1.0).
"""

import contextlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.service import cluster_ips

SCHEMA_VERSION = "1.1.0"


class Cluster(Protocol):
    """What is asked of the cluster's state."""

    def service(self, namespace: str, name: str) -> Object | None: ...

    def slices(self, namespace: str, service: str) -> Iterable[Object]: ...

    def services_at(self, address: str) -> Iterable[Object]: ...

    def slices_at(self, address: str) -> Iterable[Object]: ...

    def has_namespace(self, namespace: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Record:
    """One record: `data` is an address, a name, a text, (port, target) of an SRV, the two names and
    the times of a SOA; or bytes of a type (then maybe a number) that only an upstream knows."""

    name: str
    type: str  # A, AAAA, CNAME, SRV, PTR, TXT, NS, SOA
    data: str | bytes | tuple[int | str | bytes, ...]


@dataclass(slots=True)
class Answer:
    """`exists` False is NXDOMAIN; an existing name without records is NODATA."""

    exists: bool = False
    records: list[Record] = field(default_factory=list)
    extra: list[Record] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Endpoint:
    label: str  # its hostname, or its address with dashes
    address: str
    ports: tuple[Object, ...]


class Zone:
    """Answers for the cluster domain and for reverse lookups."""

    def __init__(self, cluster: Cluster, domain: str, address: str = "") -> None:
        """`address`: where the DNS itself is asked."""
        self._cluster = cluster
        self._address = address
        self._domain = domain.lower().rstrip(".").split(".")

    def holds(self, name: str) -> bool:
        """Whether `name` (without a final dot) is ours to answer."""
        labels = name.lower().split(".")
        return labels[-len(self._domain) :] == self._domain

    def answer(self, name: str, kind: str) -> Answer:
        """Records of type `kind` for a name of our zone."""
        labels = self._labels(name)
        if not labels:
            found = [Record(name, "NS", f"ns.dns.{name}")] if kind == "NS" else []
            return Answer(exists=True, records=found)
        if labels == ["ns", "dns"]:
            return _addresses(name, [self._address], kind)
        if labels == ["dns-version"]:
            found = [Record(name, "TXT", SCHEMA_VERSION)] if kind == "TXT" else []
            return Answer(exists=True, records=found)
        if labels[-1] == "svc":
            return self._service_name(name, labels[:-1], kind)
        if labels[-1] == "pod":
            return self._pod_name(name, labels[:-1], kind)
        return Answer()

    def tags(self, name: str) -> list[str]:
        """What the answer to `name` depends on: a service, a namespace, or nothing that changes."""
        labels = self._labels(name)
        if labels[-1:] == ["svc"] and len(labels) > 2:
            return [f"svc/{labels[-2]}/{labels[-3]}"]
        return [f"ns/{labels[-2]}"] if len(labels) > 1 else []

    def _labels(self, name: str) -> list[str]:
        return name.lower().split(".")[: -len(self._domain)]

    def reverse(self, address: str) -> list[str]:
        """The names of an address: its Services', else its endpoints'."""
        names = [
            self._full(meta["name"], meta["namespace"])
            for meta in (service["metadata"] for service in self._cluster.services_at(address))
        ]
        for one in () if names else self._cluster.slices_at(address):
            meta = one["metadata"]
            service = (meta.get("labels") or {}).get("kubernetes.io/service-name", "")
            owner = self._cluster.service(meta["namespace"], service)
            if owner is None or not _headless(owner):
                continue
            names.extend(
                self._full(endpoint.label, service, meta["namespace"])
                for endpoint in _endpoints([one], everyone=True)
                if endpoint.address == address
            )
        return list(dict.fromkeys(names))

    def _full(self, *labels: str) -> str:
        return ".".join([*labels, "svc", *self._domain])

    def _service_name(self, name: str, labels: list[str], kind: str) -> Answer:
        if len(labels) < 2:
            known = not labels or self._cluster.has_namespace(labels[0])
            return Answer(exists=known)
        *front, service_name, namespace = labels
        service = self._cluster.service(namespace, service_name)
        if service is None:
            return Answer()
        if service["spec"].get("type") == "ExternalName":
            if front:
                return Answer()
            target = service["spec"]["externalName"].rstrip(".")
            return Answer(exists=True, records=[Record(name, "CNAME", target)])
        return self._cluster_ip_name(name, front, service, kind)

    def _cluster_ip_name(self, name: str, front: list[str], service: Object, kind: str) -> Answer:
        endpoints = self._endpoints_of(service) if _headless(service) else []
        if not front:
            return self._plain(name, service, endpoints, kind)
        if len(front) == 2 and front[0].startswith("_") and front[1].startswith("_"):
            return self._srv(name, service, endpoints, kind)
        if len(front) == 1:
            named = [one.address for one in endpoints if one.label == front[0]]
            return _addresses(name, named, kind)
        return Answer()

    def _endpoints_of(self, service: Object) -> list[_Endpoint]:
        meta = service["metadata"]
        slices = self._cluster.slices(meta["namespace"], meta["name"])
        return _endpoints(slices, everyone=bool(service["spec"].get("publishNotReadyAddresses")))

    def _plain(self, name: str, service: Object, endpoints: list[_Endpoint], kind: str) -> Answer:
        if kind == "SRV":
            answer = Answer(exists=True)
            for port in _named_ports(service, endpoints):
                label = f"_{port['name']}._{port.get('protocol', 'TCP').lower()}"
                part = self._srv(f"{label}.{name}", service, endpoints, kind)
                answer.records.extend(Record(name, "SRV", record.data) for record in part.records)
                answer.extra.extend(part.extra)
            return answer
        if _headless(service):
            found = _addresses(name, [one.address for one in endpoints], kind)
            return found if endpoints else Answer()
        return _addresses(name, cluster_ips(service), kind)

    def _srv(self, name: str, service: Object, endpoints: list[_Endpoint], kind: str) -> Answer:
        port_name, protocol = (label[1:] for label in name.lower().split(".")[:2])
        meta = service["metadata"]
        base = self._full(meta["name"], meta["namespace"])
        answer = Answer()
        targets = [(base, cluster_ips(service), service["spec"].get("ports") or ())]
        if _headless(service):
            targets = [(f"{one.label}.{base}", [one.address], one.ports) for one in endpoints]
        for target, addresses, ports in targets:
            for port in ports:
                if _is_port(port, port_name, protocol):
                    answer.records.append(Record(name, "SRV", (port["port"], target)))
                    answer.extra.extend(_address(target, ip) for ip in addresses)
        answer.exists = bool(answer.records)
        if kind != "SRV":
            answer.records, answer.extra = [], []
        return answer

    def _pod_name(self, name: str, labels: list[str], kind: str) -> Answer:
        """Pod names spell their address: 10-244-0-7.default.pod.cluster.local."""
        if len(labels) < 2:
            return Answer(exists=not labels or self._cluster.has_namespace(labels[0]))
        if len(labels) > 2 or not self._cluster.has_namespace(labels[1]):
            return Answer()
        for separator in ".:":
            with contextlib.suppress(ValueError):
                address = str(ipaddress.ip_address(labels[0].replace("-", separator)))
                return _addresses(name, [address], kind)
        return Answer()


def _headless(service: Object) -> bool:
    return bool(service["spec"].get("clusterIP") == "None")


def _is_port(port: Object, name: str, protocol: str) -> bool:
    own = (str(port.get("name") or "").lower(), str(port.get("protocol", "TCP")).lower())
    return own == (name, protocol)


def _named_ports(service: Object, endpoints: list[_Endpoint]) -> list[Object]:
    ports: Iterable[Object] = service["spec"].get("ports") or (
        endpoints[0].ports if endpoints else ()
    )
    return [port for port in ports if port.get("name")]


def _endpoints(slices: Iterable[Object], *, everyone: bool) -> list[_Endpoint]:
    found: dict[str, _Endpoint] = {}
    for one in slices:
        ports = tuple(one.get("ports") or ())
        for endpoint in one.get("endpoints") or ():
            if not everyone and (endpoint.get("conditions") or {}).get("ready") is False:
                continue
            for address in endpoint["addresses"]:
                label = endpoint.get("hostname") or address.replace(".", "-").replace(":", "-")
                found[f"{label}/{address}/{ports!r}"] = _Endpoint(label.lower(), address, ports)
    return [found[key] for key in sorted(found)]


def _address(name: str, address: str) -> Record:
    return Record(name, "AAAA" if ":" in address else "A", address)


def _addresses(name: str, addresses: Iterable[str], kind: str) -> Answer:
    """A name that has `addresses`; those of the asked family are its records."""
    answer = Answer()
    for record in dict.fromkeys(_address(name, one) for one in addresses if one):
        answer.exists = True
        if record.type == kind:
            answer.records.append(record)
    return answer
