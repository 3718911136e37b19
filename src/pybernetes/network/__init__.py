# SPDX-License-Identifier: Apache-2.0
"""Pod networking: CNI configuration, addresses and routes."""
