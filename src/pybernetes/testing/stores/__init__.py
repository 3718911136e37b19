# SPDX-License-Identifier: Apache-2.0
"""Three suites for store drivers: behaviour, histories, crashes. A driver says how it is opened and has all three."""

from pybernetes.testing.stores.behaviour import StoreSuite, changes_until, keys_of
from pybernetes.testing.stores.crashes import CrashSuite
from pybernetes.testing.stores.driver import Driver
from pybernetes.testing.stores.histories import HistorySuite

__all__ = ["CrashSuite", "Driver", "HistorySuite", "StoreSuite", "changes_until", "keys_of"]
