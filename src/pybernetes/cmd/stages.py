# SPDX-License-Identifier: Apache-2.0
"""How hollow nodes live, for those above who need not know the runtime behind them."""

from pybernetes.cri.stagefile import parse, read
from pybernetes.cri.stages import Stages

__all__ = ["Stages", "parse", "read"]
