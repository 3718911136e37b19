# SPDX-License-Identifier: Apache-2.0
"""The service proxy: Services and EndpointSlices become one atomic nftables transaction."""
