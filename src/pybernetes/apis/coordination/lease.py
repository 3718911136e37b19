# SPDX-License-Identifier: Apache-2.0
"""Lease: who leads, and since when."""

from pybernetes.apimachinery.field import Errors, forbidden, invalid, not_supported
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, text
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import NEGATIVE
from pybernetes.apis.validation.names import qualified_name


def _validate(lease: Object) -> Errors:
    errors: Errors = []
    spec = lease.get("spec") or {}
    seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if seconds is not None and seconds <= 0:
        errors.append(invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0"))
    if transitions is not None and transitions < 0:
        errors.append(invalid("spec.leaseTransitions", transitions, NEGATIVE))
    strategy, at = spec.get("strategy"), "spec.strategy.strategy"
    if strategy is not None:
        if "/" in strategy:
            wrong = qualified_name(strategy)
            errors.extend(invalid(at, strategy, text) for text in wrong)
        elif strategy != "OldestEmulationVersion":
            errors.append(not_supported(at, strategy, ["OldestEmulationVersion"]))
    if spec.get("preferredHolder") and not strategy:
        text = "may only be specified if `strategy` is defined"
        errors.append(forbidden("spec.preferredHolder", text))
    return errors


LEASE = Kind(
    validate_create=_validate,
    validate_update=lambda new, _: _validate(new),
    create_on_update=True,
    unconditional_update=False,
    columns=(NAME, Column("Holder", text("spec", "holderIdentity")), AGE),
)
