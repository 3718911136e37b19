# SPDX-License-Identifier: Apache-2.0
"""The watch cache: every stored resource as encoded bytes, fed by one watch of the store."""
