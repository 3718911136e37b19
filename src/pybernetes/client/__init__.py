# SPDX-License-Identifier: Apache-2.0
"""The API client: one interface over HTTPS or in process, informers, work queues, events."""
