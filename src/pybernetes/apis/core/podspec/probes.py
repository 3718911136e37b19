# SPDX-License-Identifier: Apache-2.0
"""Probes and lifecycle hooks of containers, beyond the rows of data/rules.txt."""

from pybernetes.apis.validation.names import header_name
from pybernetes.apis.validation.part import Part

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def validate_probes(container: Part, grace: int | None) -> None:
    """What the probes and the lifecycle of a container may say beside the pod's grace period."""
    if container.get("lifecycle"):
        for name in ("postStart", "preStop"):
            _sleep(container.child("lifecycle").child(name), grace)
    for name in PROBES:
        if container.get(name) is None:
            continue
        probe = container.child(name)
        seconds, least = probe.get("terminationGracePeriodSeconds"), probe.get("successThreshold")
        if name == "readinessProbe":
            if seconds is not None:
                text = "must not be set for readinessProbes"
                probe.invalid("terminationGracePeriodSeconds", seconds, text)
        elif least != 1:
            probe.invalid("successThreshold", least or 0, "must be 1")


def _sleep(handler: Part, grace: int | None) -> None:
    if handler.get("sleep") is not None and grace is not None:
        seconds = handler.get("sleep").get("seconds") or 0
        if not 0 <= seconds <= grace:
            text = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
            handler.invalid("sleep", seconds, text)


def validate_headers(action: Part) -> None:
    for header in action.get("httpHeaders") or ():
        name = header.get("name") or ""
        action.wrong("httpHeaders", name, header_name(name))
