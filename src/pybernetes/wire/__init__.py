# SPDX-License-Identifier: Apache-2.0
"""Framings with no Kubernetes in them: HTTP/1.1, WebSocket, SPDY/3.1, and their shared types."""
