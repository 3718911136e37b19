# SPDX-License-Identifier: Apache-2.0
"""Impersonation: a caller acts as somebody else, if it may `impersonate` every part of them.

Upstream's newer constrained modes (impersonate:user-info and others) are not supported.
"""

from dataclasses import replace
from functools import partial
from urllib.parse import unquote

from pybernetes.apimachinery import errors, meta
from pybernetes.apimachinery.types import User
from pybernetes.apiserver.authentication.users import (
    ANONYMOUS,
    UNAUTHENTICATED,
    extra_of,
    with_authenticated,
)
from pybernetes.apiserver.authorization.union import require
from pybernetes.apiserver.types import Authorizer, RequestInfo
from pybernetes.wire.types import Request

USER = "impersonate-user"
GROUP = "impersonate-group"
UID = "impersonate-uid"
EXTRA = "impersonate-extra-"
_info = partial(RequestInfo.asking, "impersonate", version="v1")
_AUTHENTICATION = "authentication.k8s.io"


def impersonate(request: Request, requestor: User, authorizer: Authorizer) -> User:
    """Whom the request acts as: `requestor` without impersonation headers.

    The headers are taken off the request. Raises ApiError 400 (no user name) or 403.
    """
    headers = request.headers
    used = [name for name in headers if name.startswith("impersonate-")]
    if not used:
        return requestor
    name, uid = headers.get(USER, ""), headers.get(UID, "")
    named = GROUP in headers
    groups = [group for group in headers.get(GROUP, "").split(", ") if group]
    extra = {
        unquote(header.removeprefix(EXTRA)).lower(): headers[header].split(", ")
        for header in used
        if header.startswith(EXTRA)
    }
    if not name:
        if uid or named or extra:
            raise errors.bad_request(
                f"requested [{', '.join(used)}] without impersonating a user name"
            )
        return requestor
    wanted = User(name, tuple(groups), uid, extra_of(extra))
    for info in _checks(wanted):
        require(authorizer, requestor, info)
    for header in used:
        del headers[header]
    account = meta.split_service_account(name)
    if account and not named:
        wanted = replace(wanted, groups=meta.service_account_user(*account).groups)
    if name == ANONYMOUS and UNAUTHENTICATED not in groups:
        return replace(wanted, groups=(*groups, UNAUTHENTICATED))
    return with_authenticated(wanted)


def _checks(wanted: User) -> list[RequestInfo]:
    """One request for each part of the identity, as authorizers see it."""
    account = meta.split_service_account(wanted.name)
    if account:
        checks = [_info("", "serviceaccounts", account[1], namespace=account[0])]
    else:
        checks = [_info("", "users", wanted.name)]
    checks += [_info("", "groups", group) for group in wanted.groups]
    checks += [
        _info(_AUTHENTICATION, "userextras", value, subresource=key)
        for key, values in wanted.extra
        for value in values
    ]
    if wanted.uid:
        checks.append(_info(_AUTHENTICATION, "uids", wanted.uid))
    return checks
