# SPDX-License-Identifier: Apache-2.0
"""deployment-controller: rolls out pod templates by scaling ReplicaSets up and down.

Rollback is kubectl's: it writes an old template back, which this controller then finds again.
"""
