# SPDX-License-Identifier: Apache-2.0
"""PersistentVolumes and the claims they satisfy are bound to each other."""
