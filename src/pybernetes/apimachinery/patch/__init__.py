# SPDX-License-Identifier: Apache-2.0
"""The four patches: JSON patch, merge patch, strategic merge patch, server-side apply."""
