# SPDX-License-Identifier: Apache-2.0
"""THE table of verbs."""

from collections.abc import Awaitable, Callable, Mapping

from pybernetes.apiserver.context import Context
from pybernetes.apiserver.rest.create import create
from pybernetes.apiserver.rest.delete import delete, delete_collection
from pybernetes.apiserver.rest.get import get
from pybernetes.apiserver.rest.list import list_
from pybernetes.apiserver.rest.patch import patch
from pybernetes.apiserver.rest.update import update
from pybernetes.apiserver.rest.watch import watch
from pybernetes.wire.types import Reply

Verb = Callable[[Context], Reply | Awaitable[Reply]]

VERBS: Mapping[str, Verb] = {
    "get": get,
    "list": list_,
    "watch": watch,
    "create": create,
    "update": update,
    "patch": patch,
    "delete": delete,
    "deletecollection": delete_collection,
}
