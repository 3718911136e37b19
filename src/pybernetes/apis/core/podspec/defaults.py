# SPDX-License-Identifier: Apache-2.0
"""Defaults of every pod spec, in pods and in templates (upstream's SetDefaults_PodSpec & co.)."""

from collections.abc import Iterator

from pybernetes.apimachinery.types import Object

CONTAINER_LISTS = ("containers", "initContainers", "ephemeralContainers")
_MODES = ("secret", "configMap", "downwardAPI", "projected")


def containers_of(spec: Object) -> Iterator[Object]:
    """Every container of a pod spec: regular, init and ephemeral ones."""
    for field in CONTAINER_LISTS:
        yield from spec.get(field) or ()


def image_tag(image: str) -> str:
    """The tag of an image reference: "latest" without tag and digest, "" with a digest alone."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return tag or ("" if digest or not name else "latest")


def pull_policy(image: str) -> str:
    return "Always" if image_tag(image) == "latest" else "IfNotPresent"


def fill(obj: Object, defaults: Object) -> None:
    """Set each field that is missing or empty (as Go's zero values are)."""
    for key, value in defaults.items():
        if not obj.get(key):
            obj[key] = value


def fill_missing(obj: Object, defaults: Object) -> None:
    """Set each field that is missing: pointers in Go, where zero is a value."""
    for key, value in defaults.items():
        if obj.get(key) is None:
            obj[key] = value


def default_template(template: Object) -> None:
    """Defaults of a PodTemplateSpec."""
    default_pod_spec(template.setdefault("spec", {}))


def default_pod_spec(spec: Object) -> None:
    """In place; applying it twice changes nothing more."""
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    fill(spec, {"dnsPolicy": "ClusterFirst", "restartPolicy": "Always"})
    fill(spec, {"schedulerName": "default-scheduler"})
    fill_missing(spec, {"terminationGracePeriodSeconds": 30})
    if spec.get("securityContext") is None:
        spec["securityContext"] = {}
    for container in containers_of(spec):
        _container(container)
    for volume in spec.get("volumes") or ():
        _volume(volume)


_CONTAINER = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def _container(container: Object) -> None:
    fill(container, _CONTAINER)
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = pull_policy(container.get("image") or "")
    container.setdefault("resources", {})
    for port in container.get("ports") or ():
        fill(port, {"protocol": "TCP"})
    for variable in container.get("env") or ():
        source = (variable.get("valueFrom") or {}).get("fieldRef")
        if source is not None:
            fill(source, {"apiVersion": "v1"})
    for name in _PROBES:
        if container.get(name) is not None:
            _probe(container[name])
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict) and hook.get("httpGet") is not None:
            fill(hook["httpGet"], {"path": "/", "scheme": "HTTP"})


def _probe(probe: Object) -> None:
    fill(
        probe,
        {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3},
    )
    if probe.get("httpGet") is not None:
        fill(probe["httpGet"], {"path": "/", "scheme": "HTTP"})
    if probe.get("grpc") is not None:
        fill_missing(probe["grpc"], {"service": ""})


def _volume(volume: Object) -> None:
    sources = [name for name in volume if name != "name" and volume[name] is not None]
    if not sources:
        volume["emptyDir"] = {}
        return
    for name in sources:
        source = volume[name]
        if name in _MODES:
            fill_missing(source, {"defaultMode": 420})
            _files(name, source)
        elif name in _VOLUMES:
            fill(source, _VOLUMES[name])
        elif name == "hostPath":
            fill_missing(source, {"type": ""})
        elif name == "image" and not source.get("pullPolicy"):
            source["pullPolicy"] = pull_policy(source.get("reference") or "")
        elif name == "ephemeral":
            claim = (source.get("volumeClaimTemplate") or {}).get("spec")
            if claim is not None:
                fill(claim, {"volumeMode": "Filesystem"})


_VOLUMES: dict[str, Object] = {
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "fsType": "ext4", "kind": "Shared"},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}


def _files(name: str, source: Object) -> None:
    """Items of downward API volumes and of the parts of projected volumes."""
    if name == "downwardAPI":
        for item in source.get("items") or ():
            if item.get("fieldRef") is not None:
                fill(item["fieldRef"], {"apiVersion": "v1"})
    elif name == "projected":
        for part in source.get("sources") or ():
            if part.get("downwardAPI") is not None:
                _files("downwardAPI", part["downwardAPI"])
            if part.get("serviceAccountToken") is not None:
                fill_missing(part["serviceAccountToken"], {"expirationSeconds": 3600})
            if part.get("podCertificate") is not None:
                fill_missing(part["podCertificate"], {"maxExpirationSeconds": 86400})
