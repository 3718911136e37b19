# SPDX-License-Identifier: Apache-2.0
"""Event between events.k8s.io/v1 and the core group's v1, in which events are stored."""

from pybernetes.apimachinery.types import Object

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

FIELD_LABELS = {  # selectable fields of events.k8s.io/v1 -> those of the stored form
    "regarding.kind": "involvedObject.kind",
    "regarding.namespace": "involvedObject.namespace",
    "regarding.name": "involvedObject.name",
    "regarding.uid": "involvedObject.uid",
    "regarding.apiVersion": "involvedObject.apiVersion",
    "regarding.resourceVersion": "involvedObject.resourceVersion",
    "regarding.fieldPath": "involvedObject.fieldPath",
    "reportingController": "reportingComponent",
}


def to_core(event: Object) -> Object:
    """events.k8s.io/v1 -> core v1."""
    found = {_RENAMED.get(key, key): value for key, value in event.items()}
    return found | {"apiVersion": "v1"}


def from_core(event: Object) -> Object:
    """core v1 -> events.k8s.io/v1."""
    found = {_BACK.get(key, key): value for key, value in event.items()}
    return found | {"apiVersion": "events.k8s.io/v1"}


CONVERSIONS = {"v1": (to_core, from_core)}
"""For the Kind served as events.k8s.io/v1."""
