# SPDX-License-Identifier: Apache-2.0
"""Told: the base of errors that end a command or a request with a text for whoever asked."""


class Told(Exception):
    """What is wrong and, if possible, what to do: shown as it is, without a traceback."""
