# SPDX-License-Identifier: Apache-2.0
"""The table of controllers, by upstream's names: controllers.json. A file or a folder a row.

A controller's code is imported when it is built: what is turned off costs nothing.
"""

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import Any

from pybernetes.apis.data.sections import document
from pybernetes.controllers.runtime.controller import Context, Controller, Row


def _row(build: str, account: str, **more: Any) -> Row:
    """`build` is module:name below this package."""

    def made(context: Context) -> Controller:
        found: Controller = resolve_name(f"{__package__}.{build}")(context)
        return found

    return Row(made, account, **more)


CONTROLLERS: Mapping[str, Row] = {
    name: _row(**row) for name, row in document("controllers.json", __package__).items()
}
