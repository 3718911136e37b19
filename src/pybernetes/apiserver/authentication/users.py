# SPDX-License-Identifier: Apache-2.0
"""Upstream's well-known users and groups."""

from dataclasses import replace

from pybernetes.apimachinery.types import User

ANONYMOUS = "system:anonymous"
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
NOBODY = User(ANONYMOUS, (UNAUTHENTICATED,))

Extra = tuple[tuple[str, tuple[str, ...]], ...]


def with_authenticated(user: User) -> User:
    """`user` in system:authenticated, unless it is anonymous or says otherwise itself."""
    known = AUTHENTICATED in user.groups or UNAUTHENTICATED in user.groups
    if known or user.name == ANONYMOUS:
        return user
    return replace(user, groups=(*user.groups, AUTHENTICATED))


def extra_of(pairs: dict[str, list[str]]) -> Extra:
    return tuple((key, tuple(values)) for key, values in pairs.items())
