# SPDX-License-Identifier: Apache-2.0
"""Pod's defaults: what holds for pods but not for templates."""

from pybernetes.apimachinery.types import Object


def default_pod(pod: Object) -> None:
    """Upstream's SetDefaults_Pod and _PodStatus."""
    spec = pod["spec"]
    if spec["terminationGracePeriodSeconds"] < 0:
        spec["terminationGracePeriodSeconds"] = 1
    if spec.get("enableServiceLinks") is None:
        spec["enableServiceLinks"] = True
    for field in ("containers", "initContainers"):
        for container in spec.get(field) or ():
            _requests_from_limits(container["resources"])
            if spec.get("hostNetwork"):
                _host_ports(container)
    if pod.get("status"):
        _addresses(pod["status"])


def _requests_from_limits(resources: Object) -> None:
    limits = resources.get("limits")
    if limits is not None:
        resources["requests"] = {**limits, **(resources.get("requests") or {})}


def _host_ports(container: Object) -> None:
    for port in container.get("ports") or ():
        if not port.get("hostPort") and port.get("containerPort"):
            port["hostPort"] = port["containerPort"]


def _addresses(status: Object) -> None:
    """Keep podIP and podIPs in step; podIP wins where they differ."""
    first = ((status.get("podIPs") or [{}])[0]).get("ip")
    if status.get("podIP"):
        if first != status["podIP"]:
            status["podIPs"] = [{"ip": status["podIP"]}]
    elif first:
        status["podIP"] = first
