# SPDX-License-Identifier: Apache-2.0
"""Resource quotas: what a namespace uses, counted again whenever it changes."""
