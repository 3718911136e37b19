# SPDX-License-Identifier: Apache-2.0
"""How hollow nodes live, for those above who need not know the runtime behind them."""

from pybernetes.cri.stagefile import parse

__all__ = ["parse"]
