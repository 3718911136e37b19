# SPDX-License-Identifier: Apache-2.0
"""Event, in the core group's form, which is how events of both groups are stored.

The same object may be written through events.k8s.io/v1, where fields have other names and the
rules are stricter: that is the second Kind here.
"""

import datetime
from functools import partial

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.timestamps import age
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import look
from pybernetes.apis.validation.names import qualified_name
from pybernetes.apis.validation.part import Part, validate_immutable

_MISMATCH = "does not match event.namespace"
_OLD_ONLY = ("firstTimestamp", "lastTimestamp", "count")
_RENAMED = {  # events.k8s.io/v1 -> core v1
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_BACK = {core: new for new, core in _RENAMED.items()}


def to_core(event: Object) -> Object:
    """events.k8s.io/v1 -> core v1."""
    found = {_RENAMED.get(key, key): value for key, value in event.items()}
    return found | {"apiVersion": "v1"}


def from_core(event: Object) -> Object:
    """core v1 -> events.k8s.io/v1."""
    found = {_BACK.get(key, key): value for key, value in event.items()}
    return found | {"apiVersion": "events.k8s.io/v1"}


CONVERSIONS = {"v1": (to_core, from_core)}


def validate_event(part: Part, controller: str = "reportingComponent") -> None:
    namespace, of = meta.namespace(part.obj), part.child("involvedObject").get("namespace") or ""
    if not part.get("eventTime"):
        known = {of} if of else {"", "default"}
        if namespace not in known:
            part.invalid("involvedObject.namespace", of, _MISMATCH)
        return
    if not of and namespace not in {"default", "kube-system"}:
        part.invalid("involvedObject.namespace", of, _MISMATCH)
    component = part.get("reportingComponent") or ""
    if not component:
        part.required(controller)
    part.wrong(controller, component, qualified_name(component))
    part.need("reportingInstance", "action", "reason")
    limits = {"reportingInstance": 128, "action": 128, "reason": 128, "message": 1024}
    for field, most in limits.items():
        if len(part.get(field) or "") > most:
            part.invalid(field, "", f"can have at most {most} characters")


def _series(part: Part) -> None:
    if part.get("series") is not None:
        series = part.child("series")
        if (series.get("count") or 0) < 2:
            series.invalid("count", "", "should be at least 2")
        series.need("lastObservedTime")


validate_strict = partial(validate_event, controller="reportingController")


def validate_new(part: Part) -> None:
    """What events.k8s.io asks of new events."""
    _series(part)
    part.need("eventTime")
    type_ = part.get("type") or ""
    if type_ not in {"Normal", "Warning"}:
        part.invalid("type", "", f"has invalid value: {type_}")
    source = part.get("source") or {}
    unset = [field for field in _OLD_ONLY if part.get(field)]
    unset += ["source"] if source.get("component") or source.get("host") else []
    for field in unset:
        part.invalid(field, "", "needs to be unset")


def validate_strict_update(part: Part, old: Object) -> None:
    if part.get("series") != old.get("series"):
        _series(part)
    component, was = part.get("reportingComponent"), old.get("reportingComponent")
    validate_immutable(component, was, "reportingController", part.errors)


def first_seen(event: Object, now: datetime.datetime) -> str:
    return age(event.get("firstTimestamp") or event.get("eventTime"), now)


def last_seen(event: Object, now: datetime.datetime) -> str:
    if event.get("series") is not None:
        return age(event["series"].get("lastObservedTime"), now)
    if event.get("lastTimestamp"):
        return age(event["lastTimestamp"], now)
    return first_seen(event, now)


def count(event: Object, _: datetime.datetime) -> int:
    if event.get("series") is not None:
        return int(event["series"].get("count") or 0)
    return int(event.get("count") or 1)


def involved(event: Object, _: datetime.datetime) -> str:
    of = event.get("involvedObject") or {}
    kind = (of.get("kind") or "").lower()
    return f"{kind}/{of['name']}" if of.get("name") else kind


def source(event: Object, _: datetime.datetime) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent") or ""
    host = source.get("host") or event.get("reportingInstance") or ""
    return f"{component}, {host}" if host else component


def component(event: Object, _: datetime.datetime) -> str:
    """The component alone, for field selectors."""
    return look(event, "source", "component") or event.get("reportingComponent") or ""
