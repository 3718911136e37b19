# SPDX-License-Identifier: Apache-2.0
"""serviceaccount-controller: every active namespace has a ServiceAccount named default."""
