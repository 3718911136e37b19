# SPDX-License-Identifier: Apache-2.0
"""THE tables of subresources and of virtual resources."""

from collections.abc import Mapping

from pybernetes.apiserver.context import Core
from pybernetes.apiserver.rest.get import get
from pybernetes.apiserver.rest.patch import patch
from pybernetes.apiserver.rest.registry import Verb
from pybernetes.apiserver.rest.update import update
from pybernetes.apiserver.subresources import parts
from pybernetes.apiserver.subresources.binding import bind
from pybernetes.apiserver.subresources.componentstatuses import component_statuses
from pybernetes.apiserver.subresources.eviction import evict
from pybernetes.apiserver.subresources.reviews import Answer, reviewing
from pybernetes.apiserver.subresources.scale import get_scale, patch_scale, update_scale

Table = Mapping[tuple[str, str, str], Mapping[str, Verb]]
Virtual = Mapping[tuple[str, str], Verb]
_STATUS = {"get": get, "update": update, "patch": patch}
_SCALE = {"get": get_scale, "update": update_scale, "patch": patch_scale}
_CERTIFICATES = "certificates.k8s.io"


def subresources(core: Core, token: Answer, connect: Table) -> Table:
    """(group, resource, subresource) -> verb -> code; "*" stands for every resource.

    `token` answers token requests; `connect` are the streaming ones (log, exec, ...).
    """
    approval = parts.approval(core.env.clock.now)
    return {
        ("*", "*", "status"): _STATUS,
        ("*", "*", "scale"): _SCALE,
        ("", "pods", "binding"): {"create": bind},
        ("", "pods", "eviction"): {"create": evict},
        ("", "pods", "ephemeralcontainers"): parts.verbs(parts.EPHEMERAL),
        ("", "pods", "resize"): parts.verbs(parts.RESIZE),
        ("", "namespaces", "finalize"): {"update": parts.verbs(parts.FINALIZE)["update"]},
        ("", "serviceaccounts", "token"): {"create": reviewing(token)},
        (_CERTIFICATES, "certificatesigningrequests", "approval"): parts.verbs(approval),
        **connect,
    }


def virtual(reviews: Mapping[tuple[str, str], Answer]) -> Virtual:
    """(group, resource) -> code, for what is never stored."""
    return {
        ("", "bindings"): bind,
        ("", "componentstatuses"): component_statuses,
        **{where: reviewing(answer) for where, answer in reviews.items()},
    }
