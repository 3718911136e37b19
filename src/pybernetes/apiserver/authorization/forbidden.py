# SPDX-License-Identifier: Apache-2.0
"""The 403 that a caller sees, in upstream's words."""

import json

from pybernetes.apimachinery.errors import ApiError, forbidden
from pybernetes.apimachinery.types import User
from pybernetes.apiserver.types import Authorizer, RequestInfo


def require(authorizer: Authorizer, user: User, info: RequestInfo) -> None:
    """Raises the 403 if the user may not do it."""
    decision, reason = authorizer.authorize(user, info)
    if decision != "allow":
        raise forbidden_error(user, info, reason)


def forbidden_error(user: User, info: RequestInfo, reason: str = "") -> ApiError:
    detail = forbidden_message(user, info)
    if reason:
        detail = f"{detail}: {reason}"
    if not info.is_resource:
        return ApiError(403, "Forbidden", f"forbidden: {detail}", {})
    return forbidden(info.resource, info.group, info.name, detail)


def forbidden_message(user: User, info: RequestInfo) -> str:
    """User "x" cannot list resource "pods" in API group "" in the namespace "y"."""
    who = f"User {_quote(user.name)} cannot {info.verb}"
    if not info.is_resource:
        return f"{who} path {_quote(info.path)}"
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    what = f"{who} resource {_quote(resource)} in API group {_quote(info.group)}"
    if info.namespace:
        return f"{what} in the namespace {_quote(info.namespace)}"
    return f"{what} at the cluster scope"


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
