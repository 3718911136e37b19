# SPDX-License-Identifier: Apache-2.0
"""Probes and lifecycle hooks of containers."""

from pybernetes.apimachinery.field import Errors, forbidden, invalid, not_supported, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.validation.addresses import validate_port
from pybernetes.apis.validation.meta import NEGATIVE
from pybernetes.apis.validation.names import header_name

_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_NUMBERS = (
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
)
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
HOOKS = ("postStart", "preStop")


def validate_probes(container: Object, grace: int | None, at: str, errors: Errors) -> None:
    """The probes and the lifecycle of a container that may have them."""
    if container.get("lifecycle") is not None:
        for hook in HOOKS:
            if container["lifecycle"].get(hook) is not None:
                path = f"{at}.lifecycle.{hook}"
                _handler(container["lifecycle"][hook], grace, path, errors)
    for name in PROBES:
        if container.get(name) is not None:
            _probe(container[name], name, grace, f"{at}.{name}", errors=errors)


def _probe(probe: Object, name: str, grace: int | None, at: str, *, errors: Errors) -> None:
    _handler(probe, grace, at, errors)
    for field in _NUMBERS:
        if (probe.get(field) or 0) < 0:
            errors.append(invalid(f"{at}.{field}", probe[field], NEGATIVE))
    seconds = probe.get("terminationGracePeriodSeconds")
    if seconds is not None and seconds <= 0:
        text = "must be greater than 0"
        errors.append(invalid(f"{at}.terminationGracePeriodSeconds", seconds, text))
    if name == "readinessProbe":
        if seconds is not None:
            text = "must not be set for readinessProbes"
            errors.append(invalid(f"{at}.terminationGracePeriodSeconds", seconds, text))
    elif probe.get("successThreshold") != 1:
        threshold = probe.get("successThreshold") or 0
        errors.append(invalid(f"{at}.successThreshold", threshold, "must be 1"))


def _handler(handler: Object, grace: int | None, at: str, errors: Errors) -> None:
    used = [name for name in _HANDLERS if handler.get(name) is not None]
    if not used:
        errors.append(required(at, "must specify a handler type"))
        return
    for name in used[1:]:
        errors.append(forbidden(f"{at}.{name}", "may not specify more than 1 handler type"))
    name = used[0]
    action, path = handler[name], f"{at}.{name}"
    if name == "exec":
        if not action.get("command"):
            errors.append(required(f"{path}.command"))
    elif name == "httpGet":
        _http(action, path, errors)
    elif name == "sleep":
        _sleep(action.get("seconds") or 0, grace, path, errors)
    else:
        validate_port(action.get("port"), f"{path}.port", errors)


def _sleep(seconds: int, grace: int | None, at: str, errors: Errors) -> None:
    if grace is not None and not 0 <= seconds <= grace:
        text = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
        errors.append(invalid(at, seconds, text))


def _http(action: Object, at: str, errors: Errors) -> None:
    if not action.get("path"):
        errors.append(required(f"{at}.path"))
    validate_port(action.get("port"), f"{at}.port", errors)
    if action.get("scheme") not in {"HTTP", "HTTPS"}:
        errors.append(not_supported(f"{at}.scheme", action.get("scheme"), ["HTTP", "HTTPS"]))
    for header in action.get("httpHeaders") or ():
        name = header.get("name") or ""
        errors.extend(invalid(f"{at}.httpHeaders", name, text) for text in header_name(name))
