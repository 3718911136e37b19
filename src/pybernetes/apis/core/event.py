# SPDX-License-Identifier: Apache-2.0
"""Event, in the core group's form, which is how events of both groups are stored.

The same object may be written through events.k8s.io/v1, where the rules are stricter: that is
the second Kind here.
"""

import datetime

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.field import Errors, invalid, required
from pybernetes.apimachinery.timestamps import age
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import look, text
from pybernetes.apis.events.convert import CONVERSIONS, FIELD_LABELS
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import validate_immutable
from pybernetes.apis.validation.names import qualified_name

_MISMATCH = "does not match event.namespace"
_LIMITS = {"reportingInstance": 128, "action": 128, "reason": 128}
_OLD_ONLY = ("firstTimestamp", "lastTimestamp", "count")
_FIXED = (
    "involvedObject",
    "reason",
    "message",
    "source",
    "firstTimestamp",
    "lastTimestamp",
    "count",
    "type",
    "eventTime",
    "action",
    "related",
    "reportingInstance",
)


def _validate(event: Object, controller: str = "reportingComponent") -> Errors:
    errors: Errors = []
    namespace, of = meta.namespace(event), look(event, "involvedObject", "namespace") or ""
    if not event.get("eventTime"):
        known = {of} if of else {"", "default"}
        if namespace not in known:
            errors.append(invalid("involvedObject.namespace", of, _MISMATCH))
        return errors
    if not of and namespace not in {"default", "kube-system"}:
        errors.append(invalid("involvedObject.namespace", of, _MISMATCH))
    component = event.get("reportingComponent") or ""
    if not component:
        errors.append(required(controller))
    errors.extend(invalid(controller, component, text) for text in qualified_name(component))
    for field, most in _LIMITS.items():
        value = event.get(field) or ""
        if not value:
            errors.append(required(field))
        if len(value) > most:
            errors.append(invalid(field, "", f"can have at most {most} characters"))
    if len(event.get("message") or "") > 1024:
        errors.append(invalid("message", "", "can have at most 1024 characters"))
    return errors


def _validate_update(new: Object, _: Object) -> Errors:
    return _validate(new)


def _series(event: Object, errors: Errors) -> None:
    series = event.get("series")
    if series is not None:
        if (series.get("count") or 0) < 2:
            errors.append(invalid("series.count", "", "should be at least 2"))
        if not series.get("lastObservedTime"):
            errors.append(required("series.lastObservedTime"))


def _validate_strictly(event: Object) -> Errors:
    errors = _validate(event, "reportingController")
    _series(event, errors)
    if not event.get("eventTime"):
        errors.append(required("eventTime"))
    type_ = event.get("type") or ""
    if type_ not in {"Normal", "Warning"}:
        errors.append(invalid("type", "", f"has invalid value: {type_}"))
    source = event.get("source") or {}
    unset = [field for field in _OLD_ONLY if event.get(field)]
    unset += ["source"] if source.get("component") or source.get("host") else []
    errors += [invalid(field, "", "needs to be unset") for field in unset]
    return errors


def _validate_update_strictly(new: Object, old: Object) -> Errors:
    errors = _validate(new, "reportingController")
    if new.get("series") != old.get("series"):
        _series(new, errors)
    for field in _FIXED:
        validate_immutable(new.get(field), old.get(field), field, errors)
    component, was = new.get("reportingComponent"), old.get("reportingComponent")
    validate_immutable(component, was, "reportingController", errors)
    return errors


_NEW_LABELS = {stored: new for new, stored in FIELD_LABELS.items()}
_OBJECT_FIELDS = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")


def _fields(event: Object) -> dict[str, str]:
    of = event.get("involvedObject") or {}
    source = look(event, "source", "component") or event.get("reportingComponent") or ""
    return {
        **{f"involvedObject.{field}": of.get(field) or "" for field in _OBJECT_FIELDS},
        "reason": event.get("reason") or "",
        "reportingComponent": event.get("reportingComponent") or "",
        "source": source,
        "type": event.get("type") or "",
    }


def _new_fields(event: Object) -> dict[str, str]:
    """The fields as events.k8s.io names them."""
    return {_NEW_LABELS.get(key, key): value for key, value in _fields(event).items()}


def _first_seen(event: Object, now: datetime.datetime) -> str:
    return age(event.get("firstTimestamp") or event.get("eventTime"), now)


def _last_seen(event: Object, now: datetime.datetime) -> str:
    if event.get("series") is not None:
        return age(event["series"].get("lastObservedTime"), now)
    if event.get("lastTimestamp"):
        return age(event["lastTimestamp"], now)
    return _first_seen(event, now)


def _count(event: Object, _: datetime.datetime) -> int:
    if event.get("series") is not None:
        return int(event["series"].get("count") or 0)
    return int(event.get("count") or 1)


def _object(event: Object, _: datetime.datetime) -> str:
    of = event.get("involvedObject") or {}
    kind = (of.get("kind") or "").lower()
    return f"{kind}/{of['name']}" if of.get("name") else kind


def _source(event: Object, _: datetime.datetime) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent") or ""
    host = source.get("host") or event.get("reportingInstance") or ""
    return f"{component}, {host}" if host else component


_COLUMNS = (
    Column("Last Seen", _last_seen),
    Column("Type", text("type")),
    Column("Reason", text("reason")),
    Column("Object", _object),
    Column("Subobject", text("involvedObject", "fieldPath"), priority=1),
    Column("Source", _source, priority=1),
    Column("Message", lambda event, _: (event.get("message") or "").strip()),
    Column("First Seen", _first_seen, priority=1),
    Column("Count", _count, priority=1),
    Column("Name", lambda event, _: meta.name(event), format="name", priority=1),
)
EVENT = Kind(
    validate_create=_validate,
    validate_update=_validate_update,
    create_on_update=True,
    fields=_fields,
    field_names=tuple(_fields({})),
    columns=_COLUMNS,
)
STRICT_EVENT = Kind(
    validate_create=_validate_strictly,
    validate_update=_validate_update_strictly,
    create_on_update=True,
    fields=_new_fields,
    field_names=tuple(_new_fields({})),
    columns=_COLUMNS,
    conversions=CONVERSIONS,
)
