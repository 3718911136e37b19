# SPDX-License-Identifier: Apache-2.0
"""Which subresources of its Node a request to the kubelet is about: what its caller must be allowed.

Source: k8s.io/kubernetes/pkg/kubelet/server/auth.go (with KubeletFineGrainedAuthz).
"""

_FINE = (  # path, subresource that is enough besides "proxy"
    ("/allocatedPods", "pods"),
    ("/pods", "pods"),
    ("/healthz", "healthz"),
    ("/configz", "configz"),
    ("/runningpods", "pods"),
)
_OWN = (  # path, its only subresource
    ("/stats", "stats"),
    ("/metrics", "metrics"),
    ("/logs", "log"),
    ("/checkpoint", "checkpoint"),
    ("/statusz", "statusz"),
    ("/flagz", "configz"),
)


def _within(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix + "/")


def subresources(path: str) -> list[str]:
    """Any of these is enough."""
    found = [name for prefix, name in _FINE if _within(path, prefix)][:1]
    own = [name for prefix, name in _OWN if _within(path, prefix)][:1]
    return found + (own or ["proxy"])


def verb(method: str) -> str:
    """The API verb that stands for an HTTP method."""
    verbs = {"POST": "create", "GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
    return verbs.get(method, "")
