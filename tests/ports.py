# SPDX-License-Identifier: Apache-2.0
"""Ports for servers of tests: below the range that the system gives to outgoing connections, so that
no connection of a test beside this one takes a port between its choice and its use."""

import random
import socket

FIRST, LAST = 20_000, 29_999


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    while True:
        port = random.SystemRandom().randint(FIRST, LAST)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
