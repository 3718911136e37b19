# SPDX-License-Identifier: Apache-2.0
"""An operator: Deployments labelled tier=critical run at least two pods, and their end is recorded.

kopf run --all-namespaces --standalone critical.py

Its test beside it needs no cluster: pytest test_critical.py (docs/testing.md).
"""

from typing import Any

import kopf

CRITICAL = {"tier": "critical"}
LEAST = 2


@kopf.on.login()
def login(**details: Any) -> kopf.ConnectionInfo | None:
    """As the pod's service account; outside of a cluster as KUBECONFIG says."""
    return kopf.login_with_service_account(**details) or kopf.login_with_kubeconfig(**details)


@kopf.on.create("apps", "v1", "deployments", labels=CRITICAL)
@kopf.on.update("apps", "v1", "deployments", labels=CRITICAL)
def enough_pods(spec: kopf.Spec, patch: kopf.Patch, body: kopf.Body, **_: Any) -> None:
    asked = spec.get("replicas", 1)
    if asked < LEAST:
        patch.spec["replicas"] = LEAST
        kopf.info(body, reason="Critical", message=f"{LEAST} pods instead of {asked}")


@kopf.on.delete("apps", "v1", "deployments", labels=CRITICAL)
def farewell(body: kopf.Body, **_: Any) -> None:
    """With this handler comes a finalizer: the Deployment stays until the operator has seen its end."""
    kopf.warn(body, reason="CriticalGone", message="a critical Deployment was deleted")
