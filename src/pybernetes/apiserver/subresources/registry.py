# SPDX-License-Identifier: Apache-2.0
"""THE tables of subresources and of virtual resources.

A `Part` is a subresource that takes the whole object and lets a part of it change.
"""

import datetime
from collections.abc import Callable, Mapping
from functools import partial

from pybernetes.apimachinery import timestamps
from pybernetes.apimachinery.types import Object
from pybernetes.apis.certificates import prepare_approval, validate_approval
from pybernetes.apis.core import namespace
from pybernetes.apis.core.pod.resize import prepare_resize, validate_resize
from pybernetes.apis.core.pod.validation import prepare_ephemeral_update, validate_ephemeral_update
from pybernetes.apiserver.context import Core
from pybernetes.apiserver.rest.get import get
from pybernetes.apiserver.rest.modify import Part
from pybernetes.apiserver.rest.patch import patch
from pybernetes.apiserver.rest.registry import Verb
from pybernetes.apiserver.rest.update import update
from pybernetes.apiserver.subresources.binding import bind
from pybernetes.apiserver.subresources.eviction import evict
from pybernetes.apiserver.subresources.reviews import Answer, component_statuses, reviewing
from pybernetes.apiserver.subresources.scale import get_scale, patch_scale, update_scale

Table = Mapping[tuple[str, str, str], Mapping[str, Verb]]
Virtual = Mapping[tuple[str, str], Verb]
_STATUS = {"get": get, "update": update, "patch": patch}
_SCALE = {"get": get_scale, "update": update_scale, "patch": patch_scale}
_CERTIFICATES = "certificates.k8s.io"
Prepare = Callable[[Object, Object], None]


def _metadata_kept(prepare: Prepare) -> Prepare:
    """Of new's metadata only resourceVersion and managedFields count."""

    def prepared(new: Object, old: Object) -> None:
        prepare(new, old)
        managed = new["metadata"].get("managedFields")
        new["metadata"] = {k: v for k, v in old["metadata"].items() if k != "managedFields"}
        if managed:
            new["metadata"]["managedFields"] = managed

    return prepared


def _stamped(now: Callable[[], datetime.datetime]) -> Prepare:
    """Conditions without times get them; a transition keeps its time while its status stays."""

    def prepared(new: Object, old: Object) -> None:
        prepare_approval(new, old)
        stamp = timestamps.rfc3339(now())
        before = {
            (one.get("type"), one.get("status")): one.get("lastTransitionTime")
            for one in (old.get("status") or {}).get("conditions") or ()
        }
        new["status"]["conditions"] = [
            {
                **one,
                "lastUpdateTime": one.get("lastUpdateTime") or stamp,
                "lastTransitionTime": one.get("lastTransitionTime")
                or before.get((one.get("type"), one.get("status")))
                or stamp,
            }
            for one in new["status"]["conditions"]
        ]

    return prepared


def verbs(part: Part) -> Mapping[str, Verb]:
    return {"get": get, "update": partial(update, rules=part), "patch": partial(patch, rules=part)}


def subresources(core: Core, token: Answer, connect: Table) -> Table:
    """(group, resource, subresource) -> verb -> code; "*" stands for every resource.

    `token` answers token requests; `connect` are the streaming ones (log, exec, ...).
    """
    ephemeral = Part(_metadata_kept(prepare_ephemeral_update), validate_ephemeral_update)
    finalize = verbs(Part(namespace.prepare_finalize, namespace.validate_finalize))
    approval = Part(_stamped(core.env.clock.now), validate_approval)
    return {
        ("*", "*", "status"): _STATUS,
        ("*", "*", "scale"): _SCALE,
        ("", "pods", "binding"): {"create": bind},
        ("", "pods", "eviction"): {"create": evict},
        ("", "pods", "ephemeralcontainers"): verbs(ephemeral),
        ("", "pods", "resize"): verbs(Part(prepare_resize, validate_resize)),
        ("", "namespaces", "finalize"): {"update": finalize["update"]},
        ("", "serviceaccounts", "token"): {"create": reviewing(token)},
        (_CERTIFICATES, "certificatesigningrequests", "approval"): verbs(approval),
        **connect,
    }


def virtual(reviews: Mapping[tuple[str, str], Answer]) -> Virtual:
    """(group, resource) -> code, for what is never stored."""
    return {
        ("", "bindings"): bind,
        ("", "componentstatuses"): component_statuses,
        **{where: reviewing(answer) for where, answer in reviews.items()},
    }
