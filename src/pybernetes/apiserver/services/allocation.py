# SPDX-License-Identifier: Apache-2.0
"""Cluster IPs and node ports, one key of the store each, written in the Service's own transaction.

An address is an IPAddress object, as upstream keeps them; a port is a key of ours under
/registry/ranges/nodeports/. Two Services that want the same one collide on its key: the store's
compare-and-swap decides, the cache only tells where to look.
"""

from collections.abc import Collection, Iterable, Sequence

from pybernetes.apimachinery import field, timestamps
from pybernetes.apimachinery.errors import ApiError, internal, invalid
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.core.service import cluster_ips, needs_health_port, needs_node_port
from pybernetes.apiserver import codec
from pybernetes.apiserver.context import Core
from pybernetes.apiserver.services import ranges as addresses
from pybernetes.apiserver.services.families import init_families
from pybernetes.base.shared import Shared
from pybernetes.storage.types import Change, Op, Record

IP_ADDRESSES = GVR("networking.k8s.io", "v1", "ipaddresses")
PORTS_PREFIX = "/registry/ranges/nodeports/"
MANAGED_BY, ALLOCATOR = "ipaddress.kubernetes.io/managed-by", "ipallocator.k8s.io"
_IPS = "spec.clusterIPs"


class KeyCache(Shared):
    """The keys under a prefix that hold no API objects (allocated node ports).

    `keys`: what is there, behind the prefix, with its value.
    """

    _COMMON = ("keys",)

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self.prefix = prefix
        self.keys: dict[str, bytes] = {}

    def load(self, records: Iterable[Record], revision: int) -> None:
        self.keys = {record.key[len(self.prefix) :]: record.value for record in records}

    def apply(self, change: Change) -> None:
        self._own()
        key = change.key[len(self.prefix) :]
        if change.record is None:
            self.keys.pop(key, None)
        else:
            self.keys[key] = change.record.value


class Allocation:
    """The write hook of Services."""

    def __init__(self, core: Core, ranges: addresses.Ranges) -> None:
        self._core = core
        self._ranges = ranges
        self._random = core.env.random.child("services")
        self._low, self._high = core.config.service_node_port_range
        self.ports = KeyCache(PORTS_PREFIX)
        core.feed.claim(self.ports)

    # -- the hook

    def write(self, new: Object | None, old: Object | None) -> Sequence[Op]:
        ops: list[Op] = []
        had_ips, had_ports = (cluster_ips(old), ports_of(old)) if old else ([], [])
        if new:
            init_families(new, old, self._ranges)
            ops = [*self._take_addresses(new, had_ips), *self._take_ports(new, had_ports)]
        keep_ips, keep_ports = (cluster_ips(new), ports_of(new)) if new else ([], [])
        ops += [Op(self.ip_key(ip), None) for ip in had_ips if ip not in keep_ips]
        ops += [Op(port_key(port), None) for port in had_ports if port not in keep_ports]
        return ops

    # -- addresses

    def ip_key(self, address: str) -> str:
        return f"/registry/ipaddresses/{address}"

    def _is_taken(self, address: str) -> bool:
        serving = self._core.resources.find(IP_ADDRESSES)
        return serving is not None and address in serving.cache.entries

    def _take_addresses(self, new: Object, had: list[str]) -> list[Op]:
        spec = new["spec"]
        if spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None":
            return []
        wanted = list(spec.get("clusterIPs") or ())
        ops = []
        for index, family in enumerate(spec.get("ipFamilies") or ()):
            address = wanted[index] if index < len(wanted) else ""
            if address and address in had:
                continue
            if address:
                self._check_requested(new, address)
            else:
                address = self._free_address(new, family)
            wanted[index : index + 1] = [address]
            ops.append(Op(self.ip_key(address), self.ip_value(new, address), 0))
        spec["clusterIPs"], spec["clusterIP"] = wanted, wanted[0]
        return ops

    def _free_address(self, service: Object, family: str) -> str:
        found = addresses.pick(self._ranges.networks[family], self._random, self._is_taken)
        if found is None:
            name = field.show(service["metadata"]["name"])
            raise internal(f"failed to allocate a serviceIP for Service {name}: range is full")
        return found

    def _check_requested(self, service: Object, address: str) -> None:
        network = self._ranges.find(address)
        problem = ""
        if network is None:
            problem = "the provided network does not match the current range"
        elif not addresses.is_usable(network, address):
            problem = (
                f"the provided IP ({address}) is not in the valid range."
                f" The range of valid IPs is {network}"
            )
        elif self._is_taken(address):
            problem = "provided IP is already allocated"
        if problem:
            ips = service["spec"].get("clusterIPs")
            detail = f"failed to allocate IP {address}: {problem}"
            raise _invalid(service, field.invalid(_IPS, ips, detail))

    def ip_value(self, service: Object, address: str) -> bytes:
        """The IPAddress object of a service's address."""
        meta = service["metadata"]
        stamp = timestamps.rfc3339(self._core.env.clock.now())
        labels = {
            "ipaddress.kubernetes.io/ip-family": addresses.family_of(address),
            MANAGED_BY: ALLOCATOR,
        }
        parent = {"resource": "services", "namespace": meta["namespace"], "name": meta["name"]}
        return codec.stored(
            {
                "kind": "IPAddress",
                "apiVersion": "networking.k8s.io/v1",
                "metadata": {
                    "name": address,
                    "uid": self._core.env.random.uuid(),
                    "creationTimestamp": stamp,
                    "labels": labels,
                },
                "spec": {"parentRef": parent},
            }
        )

    # -- node ports

    def _take_ports(self, new: Object, had: list[int]) -> list[Op]:
        spec = new["spec"]
        taken: dict[int, None] = {}  # ours now
        if spec.get("type") in ("NodePort", "LoadBalancer"):
            self._number_ports(new, had, taken)
        if needs_health_port(new):
            port = spec.get("healthCheckNodePort") or 0
            if port not in had:
                if not port:
                    port = spec["healthCheckNodePort"] = self._free_port(taken)
                elif problem := self._problem(port, taken):
                    what = f"failed to allocate requested HealthCheck NodePort {port}"
                    raise internal(f"{what}: {problem}")
                taken[port] = None
        meta = new["metadata"]
        value = codec.dumps({"service": f"{meta['namespace']}/{meta['name']}"})
        return [Op(port_key(port), value, 0) for port in taken]

    def _number_ports(self, new: Object, had: list[int], taken: dict[int, None]) -> None:
        """Give every service port its node port. One number serves a port's TCP and UDP alike."""
        spec = new["spec"]
        same: dict[int, int] = {}  # service port -> node port
        listed = spec.get("ports") or []
        for port in listed:
            if port.get("nodePort"):
                same.setdefault(port["port"], port["nodePort"])
        for index, port in enumerate(listed):
            number = port.get("nodePort") or 0
            if not number:
                if not needs_node_port(new):
                    continue
                number = self._shared(listed, port, same) or self._free_port(taken, had)
                port["nodePort"] = number
                same[port["port"]] = number
            if number in had or number in taken:
                continue
            if problem := self._problem(number, taken):
                path = f"spec.ports[{index}].nodePort"
                raise _invalid(new, field.invalid(path, number, problem))
            taken[number] = None

    @staticmethod
    def _shared(listed: list[Object], port: Object, same: dict[int, int]) -> int:
        """The number of another protocol's port with the same service port."""
        number = same.get(port["port"], 0)
        protocol = port.get("protocol", "TCP")
        clash = any(
            other is not port
            and other.get("nodePort") == number
            and other.get("protocol", "TCP") == protocol
            for other in listed
        )
        return 0 if clash else number

    def _problem(self, port: int, taken: Collection[int]) -> str:
        """Why a port that was asked for cannot be had."""
        if not self._low <= port <= self._high:
            valid = f"{self._low}-{self._high}"
            return f"provided port is not in the valid range. The range of valid ports is {valid}"
        used = port in taken or str(port) in self.ports.keys
        return "provided port is already allocated" if used else ""

    def _free_port(self, taken: Collection[int], had: Collection[int] = ()) -> int:
        size = self._high - self._low + 1
        start = self._random.below(size)
        for step in range(size):
            port = self._low + (start + step) % size
            if port not in taken and port not in had and str(port) not in self.ports.keys:
                return port
        raise internal("failed to allocate a nodePort: range is full")


def _invalid(service: Object, finding: field.FieldError) -> ApiError:
    return invalid("Service", "", service["metadata"]["name"], [finding])


def port_key(port: int) -> str:
    return f"{PORTS_PREFIX}{port}"


def ports_of(service: Object) -> list[int]:
    """The node ports that a service holds, the health check's included."""
    spec = service.get("spec") or {}
    found: dict[int, None] = {}
    for port in spec.get("ports") or ():
        if port.get("nodePort"):
            found[port["nodePort"]] = None
    if spec.get("healthCheckNodePort") and needs_health_port(service):
        found[spec["healthCheckNodePort"]] = None
    return list(found)
