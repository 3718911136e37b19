# SPDX-License-Identifier: Apache-2.0
"""System calls that Python has no function for."""

import ctypes
import os


def call(function: str, *arguments: object, about: object) -> int:
    """What the C library's `function` returns. Raises OSError, whose file name is `about`."""
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(getattr(libc, function)(*arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(about))
    return result
