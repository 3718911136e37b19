# SPDX-License-Identifier: Apache-2.0
"""ServiceAccount: references to secrets are names, nothing more."""

from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME
from pybernetes.apis.kind import Kind


def _prepare(account: Object, _: Object | None = None) -> None:
    if account.get("secrets"):
        names = [reference.get("name") for reference in account["secrets"]]
        account["secrets"] = [{"name": name} if name else {} for name in names]


SERVICE_ACCOUNT = Kind(prepare_create=_prepare, prepare_update=_prepare, columns=(NAME, AGE))
