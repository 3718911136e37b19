# SPDX-License-Identifier: Apache-2.0
"""Who calls: certificates, tokens, front proxies, anonymous; and impersonation.

Nothing here waits: what authenticators look up comes from the watch cache.
"""
