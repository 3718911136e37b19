# SPDX-License-Identifier: Apache-2.0
"""CliError: one line that says what is wrong and what to do."""

from pybernetes.base.errors import Told


class CliError(Told):
    """Ends the command. `code` is the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code
