# SPDX-License-Identifier: Apache-2.0
"""taint-eviction-controller: deletes pods that do not tolerate their node's NoExecute taints."""
