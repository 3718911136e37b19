# SPDX-License-Identifier: Apache-2.0
"""What all processes share: clock, virtual time, tasks, offload, random, backoff, logs, metrics, tls."""
