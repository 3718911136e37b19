# SPDX-License-Identifier: Apache-2.0
"""What goes into a pod's resolv.conf (CRI DNSConfig) and /etc/hosts. Pure."""

from collections.abc import Iterable, Sequence

from pybernetes.apimachinery.types import Object
from pybernetes.cri.types import Config

MAX_SERVERS, MAX_SEARCHES = 3, 32
MAX_SEARCH, MAX_SEARCH_LINE = 253, 2048  # characters of one, and of all


def parse(text: str) -> Config:
    """A resolv.conf's text as a DNSConfig."""
    found: dict[str, list[str]] = {"servers": [], "searches": [], "options": []}
    for line in text.splitlines():
        match line.split("#")[0].split():
            case ["nameserver", address, *_]:
                found["servers"].append(address)
            case ["search", *names]:
                found["searches"] = [name for name in names if name != "."]
            case ["options", *more]:
                found["options"] += more
    return found


def pod_dns(pod: Object, host: Config, cluster_dns: Sequence[str], domain: str) -> Config:
    """The DNSConfig that dnsPolicy and dnsConfig ask for, which may be too much: see `fitting`."""
    spec, namespace = pod["spec"], pod["metadata"]["namespace"]
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    if policy == "ClusterFirst" and spec.get("hostNetwork"):
        policy = "Default"
    base = host
    if policy == "None":
        base = parse("")
    elif policy != "Default" and cluster_dns:
        own = [f"{namespace}.svc.{domain}", f"svc.{domain}", domain] if domain else []
        searches = [*own, *host["searches"]]
        base = {"servers": cluster_dns, "searches": searches, "options": ["ndots:5"]}
    extra = spec.get("dnsConfig") or {}
    return {
        "servers": _unique([*base["servers"], *extra.get("nameservers", ())]),
        "searches": _unique([*base["searches"], *extra.get("searches", ())]),
        "options": _options(base["options"], extra.get("options", ())),
    }


def fitting(wish: Config) -> tuple[Config, list[str]]:
    """What resolvers take of a DNSConfig, and what is said of the rest (upstream's limits, words)."""
    servers = wish["servers"][:MAX_SERVERS]
    searches = [one for one in wish["searches"][:MAX_SEARCHES] if len(one) <= MAX_SEARCH]
    while len(" ".join(searches)) > MAX_SEARCH_LINE:
        searches.pop()
    told = []
    if servers != wish["servers"]:
        text = "Nameserver limits were exceeded, some nameservers have been omitted"
        told.append(f"{text}, the applied nameserver line is: {' '.join(servers)}")
    if searches != wish["searches"]:
        text = "Search Line limits were exceeded, some search paths have been omitted"
        told.append(f"{text}, the applied search line is: {' '.join(searches)}")
    return {**wish, "servers": servers, "searches": searches}, told


def _unique(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))


def _options(base: Sequence[str], extra: Iterable[Object]) -> list[str]:
    merged = {text.partition(":")[0]: text for text in base}
    for option in extra:
        value = option.get("value")
        merged[option["name"]] = f"{option['name']}:{value}" if value else option["name"]
    return list(merged.values())


def hostname(pod: Object, domain: str) -> tuple[str, str]:
    """(hostname, domain of the pod or ""), as spec.hostname and spec.subdomain say."""
    spec, metadata = pod["spec"], pod["metadata"]
    if spec.get("hostnameOverride"):
        return str(spec["hostnameOverride"]), ""
    name = (spec.get("hostname") or metadata["name"])[:63].rstrip("-.")
    if not spec.get("subdomain"):
        return name, ""
    return name, f"{spec['subdomain']}.{metadata['namespace']}.svc.{domain}"


_HEAD = """\
# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""


def hosts_file(pod: Object, ips: Sequence[str], domain: str) -> str:
    """/etc/hosts of a pod with its own network."""
    name, subdomain = hostname(pod, domain)
    names = f"{name}.{subdomain}\t{name}" if subdomain else name
    lines = "".join(f"{ip}\t{names}\n" for ip in ips)
    return _HEAD + lines + _aliases(pod)


def hosts_file_of_host(pod: Object, text: str) -> str:
    """/etc/hosts of a pod in the node's network: the node's own and the aliases."""
    return "# Kubernetes-managed hosts file (host network).\n" + text + _aliases(pod)


def _aliases(pod: Object) -> str:
    aliases = pod["spec"].get("hostAliases", ())
    if not aliases:
        return ""
    rows = (f"{item['ip']}\t" + "\t".join(item.get("hostnames", ())) + "\n" for item in aliases)
    return "\n# Entries added by HostAliases.\n" + "".join(rows)
