# SPDX-License-Identifier: Apache-2.0
"""What the API server passes on: logs, exec, attach, port-forward; and the proxies to pods, services, nodes."""
