# SPDX-License-Identifier: Apache-2.0
"""coordination.k8s.io: Lease: who leads, and since when."""

from pybernetes.apis.columns import AGE, NAME, text
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.names import qualified_name
from pybernetes.apis.validation.part import Part, creating, updating


def _lease(lease: Part) -> None:
    spec = lease.child("spec")
    seconds, strategy = spec.get("leaseDurationSeconds"), spec.get("strategy")
    if seconds is not None and seconds <= 0:
        spec.invalid("leaseDurationSeconds", seconds, "must be greater than 0")
    spec.counts("leaseTransitions")
    if strategy is not None:
        if "/" in strategy:
            spec.wrong("strategy.strategy", strategy, qualified_name(strategy))
        elif strategy != "OldestEmulationVersion":
            spec.unsupported("strategy.strategy", strategy, ["OldestEmulationVersion"])
    if spec.get("preferredHolder") and not strategy:
        spec.forbidden("preferredHolder", "may only be specified if `strategy` is defined")


LEASE = Kind(
    validate_create=creating(_lease),
    validate_update=updating(_lease),
    create_on_update=True,
    unconditional_update=False,
    columns=(NAME, Column("Holder", text("spec", "holderIdentity")), AGE),
)
