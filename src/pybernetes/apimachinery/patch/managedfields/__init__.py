# SPDX-License-Identifier: Apache-2.0
"""Who owns which field: server-side apply and the tracking of ordinary writes.

Left out, by name: converting a manager's set between versions whose paths differ, and repairing
sets after a schema changed a list or map between atomic and granular.
"""

from pybernetes.apimachinery.patch.managedfields.apply import apply
from pybernetes.apimachinery.patch.managedfields.entries import Writer, update

__all__ = ["Writer", "apply", "update"]
