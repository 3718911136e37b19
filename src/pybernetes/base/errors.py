# SPDX-License-Identifier: Apache-2.0
"""Told: what ends a command or a request with a text for whoever asked."""


class Told(Exception):
    """What is wrong and, if possible, what to do: shown as it is, without a traceback.

    `code` is the exit code of a command: 1, it failed; 2, the command line is wrong.
    """

    def __init__(self, message: str = "", code: int = 1) -> None:
        super().__init__(message)
        self.code = code
