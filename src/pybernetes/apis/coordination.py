# SPDX-License-Identifier: Apache-2.0
"""coordination.k8s.io: Lease: who leads, and since when."""

from pybernetes.apis.validation.names import qualified_name
from pybernetes.apis.validation.part import Part


def validate_lease(spec: Part) -> None:
    strategy = spec.get("strategy")
    if strategy is not None:
        if "/" in strategy:
            spec.wrong("strategy.strategy", strategy, qualified_name(strategy))
        elif strategy != "OldestEmulationVersion":
            spec.unsupported("strategy.strategy", strategy, ["OldestEmulationVersion"])
    if spec.get("preferredHolder") and not strategy:
        spec.forbidden("preferredHolder", "may only be specified if `strategy` is defined")
