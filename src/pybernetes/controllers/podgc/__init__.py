# SPDX-License-Identifier: Apache-2.0
"""pod-garbage-collector-controller: removes pods that nobody else would ever remove."""
