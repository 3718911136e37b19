# SPDX-License-Identifier: Apache-2.0
"""Probes and lifecycle hooks of containers."""

from pybernetes.apis.validation.addresses import validate_port
from pybernetes.apis.validation.names import header_name
from pybernetes.apis.validation.part import Part

_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_NUMBERS = (
    *("initialDelaySeconds", "timeoutSeconds", "periodSeconds"),
    *("successThreshold", "failureThreshold"),
)
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def validate_probes(container: Part, grace: int | None) -> None:
    """The probes and the lifecycle of a container that may have them."""
    if container.get("lifecycle") is not None:
        hooks = container.child("lifecycle")
        for hook in ("postStart", "preStop"):
            if hooks.get(hook) is not None:
                _handler(hooks.child(hook), grace)
    for name in PROBES:
        if container.get(name) is not None:
            _probe(container.child(name), name, grace)


def _probe(probe: Part, name: str, grace: int | None) -> None:
    _handler(probe, grace)
    probe.counts(*_NUMBERS)
    seconds, threshold = probe.get("terminationGracePeriodSeconds"), probe.get("successThreshold")
    if seconds is not None and seconds <= 0:
        probe.invalid("terminationGracePeriodSeconds", seconds, "must be greater than 0")
    if name == "readinessProbe":
        if seconds is not None:
            text = "must not be set for readinessProbes"
            probe.invalid("terminationGracePeriodSeconds", seconds, text)
    elif threshold != 1:
        probe.invalid("successThreshold", threshold or 0, "must be 1")


def _handler(handler: Part, grace: int | None) -> None:
    used = [name for name in _HANDLERS if handler.get(name) is not None]
    if not used:
        handler.required("", "must specify a handler type")
        return
    for name in used[1:]:
        handler.forbidden(name, "may not specify more than 1 handler type")
    action = handler.child(used[0])
    if used[0] == "exec":
        action.need("command")
    elif used[0] == "sleep":
        seconds = action.get("seconds") or 0
        if grace is not None and not 0 <= seconds <= grace:
            text = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
            action.invalid("", seconds, text)
    else:
        validate_port(action)
        if used[0] == "httpGet":
            action.need("path")
            action.one_of("scheme", ["HTTP", "HTTPS"])
            for header in action.get("httpHeaders") or ():
                name = header.get("name") or ""
                action.wrong("httpHeaders", name, header_name(name))
