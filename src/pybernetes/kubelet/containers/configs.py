# SPDX-License-Identifier: Apache-2.0
"""PodSandboxConfig and ContainerConfig of a pod. Pure."""

import json
from collections.abc import Mapping

from pybernetes.apimachinery.types import Object
from pybernetes.cri.types import INIT, Config, Image
from pybernetes.kubelet import naming
from pybernetes.kubelet.config import Config as KubeletConfig
from pybernetes.kubelet.containers import dns, resources, security
from pybernetes.kubelet.containers.environment import ConfigError, expand

MESSAGE_MODE = 0o666
MAX_HOSTNAME = 64


def sandbox(pod: Object, attempt: int, config: KubeletConfig, resolv: Config) -> Config:
    """PodSandboxConfig; `resolv` is its DNSConfig. Raises ConfigError."""
    namespace, name = naming.key(pod)
    spec = pod["spec"]
    hostname, subdomain = dns.hostname(pod, config.cluster_domain)
    if spec.get("setHostnameAsFQDN") and subdomain:
        hostname = f"{hostname}.{subdomain}"
        if len(hostname) > MAX_HOSTNAME:
            raise ConfigError(
                "failed to construct FQDN from pod hostname and cluster domain, FQDN"
                f" {hostname} is too long ({MAX_HOSTNAME} characters is the max,"
                f" {len(hostname)} characters requested)"
            )
    if spec.get("hostNetwork"):
        hostname = ""  # the node's own
    security_context = spec.get("securityContext") or {}
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": naming.uid(pod),
            "attempt": attempt,
        },
        "hostname": hostname,
        "log_directory": str(naming.log_dir(config, pod)),
        "dns_config": resolv,
        "port_mappings": [] if spec.get("hostNetwork") else _port_mappings(pod),
        "labels": {**(pod["metadata"].get("labels") or {}), **_labels(pod)},
        "annotations": {
            **(pod["metadata"].get("annotations") or {}),
            "kubernetes.io/config.source": "api",
            "kubernetes.io/config.seen": str(pod["metadata"].get("creationTimestamp", "")),
        },
        "linux": {
            "cgroup_parent": naming.cgroup(config, pod),
            "security_context": security.sandbox(pod),
            "sysctls": {
                item["name"]: item["value"] for item in security_context.get("sysctls", ())
            },
        },
    }


def _labels(pod: Object) -> dict[str, str]:
    namespace, name = naming.key(pod)
    return {naming.POD_NAME: name, naming.POD_NAMESPACE: namespace, naming.POD_UID: naming.uid(pod)}


def _port_mappings(pod: Object) -> list[Config]:
    result: list[Config] = []
    init = [item for item in pod["spec"].get("initContainers", ()) if naming.is_sidecar(item)]
    for container in [*init, *pod["spec"]["containers"]]:
        for port in container.get("ports", ()):
            row: Config = {
                "protocol": port.get("protocol") or "TCP",
                "container_port": port["containerPort"],
                "host_port": port.get("hostPort", 0),
            }
            if port.get("hostIP"):
                row["host_ip"] = port["hostIP"]
            result.append(row)
    return result


def container(
    pod: Object,
    spec: Object,
    config: KubeletConfig,
    *,
    attempt: int,
    image: Image | None,
    scope: Mapping[str, str],
    memory: int,
    target_id: str = "",
) -> Config:
    """ContainerConfig but for image, mounts and devices. Raises ConfigError.

    `scope` is its environment, `memory` the node's; `target_id` of an ephemeral one with a target.
    """
    context = security.container(pod, spec, image, str(config.data / "seccomp"))
    if target_id:
        options = {**context["namespace_options"], "pid": "TARGET", "target_id": target_id}
        context["namespace_options"] = options
    return {
        "metadata": {"name": spec["name"], "attempt": attempt},
        "command": [expand(word, scope) for word in spec.get("command", ())],
        "args": [expand(word, scope) for word in spec.get("args", ())],
        "working_dir": spec.get("workingDir", ""),
        "envs": [{"key": key, "value": text.encode()} for key, text in scope.items()],
        "labels": {**_labels(pod), naming.CONTAINER_NAME: spec["name"]},
        "annotations": _annotations(pod, spec, config, attempt),
        "log_path": f"{spec['name']}/{attempt}.log",
        "stdin": bool(spec.get("stdin")),
        "stdin_once": bool(spec.get("stdinOnce")),
        "tty": bool(spec.get("tty")),
        "linux": {
            "resources": resources.linux(pod, spec, memory),
            "security_context": context,
        },
    }


def _annotations(pod: Object, spec: Object, config: KubeletConfig, attempt: int) -> dict[str, str]:
    file = naming.message_file(config, naming.uid(pod), spec["name"], attempt)
    result = {
        naming.CONTAINER_HASH: naming.container_hash(spec),
        naming.RESTART_COUNT: str(attempt),
        naming.TERMINATION_PATH: spec.get("terminationMessagePath") or "/dev/termination-log",
        naming.TERMINATION_POLICY: spec.get("terminationMessagePolicy") or "File",
        naming.GRACE_PERIOD: str(pod["spec"].get("terminationGracePeriodSeconds", 30)),
        naming.MESSAGE_FILE: str(file),
    }
    if spec in pod["spec"].get("initContainers", ()) and not naming.is_sidecar(spec):
        result[INIT] = "true"
    hook = (spec.get("lifecycle") or {}).get("preStop")
    if hook:
        result[naming.PRE_STOP] = json.dumps(hook)
    return result


def sub_path(mount: Object, environment: Mapping[str, str]) -> str:
    """subPath or the expanded subPathExpr. Raises ConfigError."""
    expression = mount.get("subPathExpr")
    path = str(mount.get("subPath") or "")
    if expression:
        path = expand(expression, environment)
        if "$(" in path:
            raise ConfigError(f"failed to expand subPathExpr {expression!r}: missing value")
    if path.startswith("/") or ".." in path.split("/"):
        raise ConfigError(f"subPath {path!r} must be a relative path without '..'")
    return path
