# SPDX-License-Identifier: Apache-2.0
"""SPDY/3.1 as container tools speak it: many streams over one Stream, either side."""

from pybernetes.wire.spdy.session import SpdySession, SpdyStream

__all__ = ["SpdySession", "SpdyStream"]
