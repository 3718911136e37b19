# SPDX-License-Identifier: Apache-2.0
"""SPDY/3.1 frames as bytes: heads, and header blocks under their shared zlib state.

Source: the SPDY Protocol Draft 3.1, sections 2.2 to 2.6.
"""

import struct
import zlib
from collections.abc import Mapping

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS = 1, 2, 3, 4
PING, GOAWAY, HEADERS, WINDOW_UPDATE = 6, 7, 8, 9
FIN = 0x01
UNIDIRECTIONAL = 0x02
PROTOCOL_ERROR, INVALID_STREAM, REFUSED_STREAM, CANCEL, INTERNAL_ERROR = 1, 2, 3, 5, 6
VERSION = 3
HEAD = 8  # bytes before a frame's payload
MAX_BLOCK = 1024 * 1024  # of headers, inflated
STREAM_ID = 0x7FFFFFFF

# The dictionary of section 2.6.10.1: words behind their lengths, then plain text.
_WORDS = """options|head|post|put|delete|trace|accept|accept-charset|accept-encoding|accept-language|
accept-ranges|age|allow|authorization|cache-control|connection|content-base|content-encoding|
content-language|content-length|content-location|content-md5|content-range|content-type|date|etag|
expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since|
last-modified|location|max-forwards|pragma|proxy-authenticate|proxy-authorization|range|referer|
retry-after|server|te|trailer|transfer-encoding|upgrade|user-agent|vary|via|warning|
www-authenticate|method|get|status|200 OK|version|HTTP/1.1|url|public|set-cookie|keep-alive|origin"""
_TEXT = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request"
    "401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented"
    "503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00"
    " Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,"
    "application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age="
    "gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _dictionary() -> bytes:
    words = [word.encode() for word in _WORDS.replace("\n", "").split("|")]
    return b"".join(len(word).to_bytes(4, "big") + word for word in words) + _TEXT.encode()


DICTIONARY = _dictionary()


class SpdyError(ConnectionError):
    """The other side broke the protocol: the session ends."""


class HeaderCodec:
    """Header blocks of one session: each direction is one zlib stream, so order matters."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)

    def encode(self, headers: Mapping[str, str]) -> bytes:
        parts = [len(headers).to_bytes(4, "big")]
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                parts += (len(text).to_bytes(4, "big"), text)
        return self._deflate.compress(b"".join(parts)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def decode(self, block: bytes) -> dict[str, str]:
        """Names in lower case; of a name with several values the first. Raises SpdyError."""
        try:
            data = self._inflate.decompress(block, MAX_BLOCK)
        except zlib.error as error:
            raise SpdyError(f"bad header block: {error}") from error
        if self._inflate.unconsumed_tail:
            raise SpdyError("header block is too large")
        return _pairs(data)


def _pairs(data: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    at = 4
    try:
        for _ in range(int.from_bytes(data[:4], "big")):
            name, at = _text(data, at)
            value, at = _text(data, at)
            headers[name.lower()] = value.partition("\0")[0]
    except (struct.error, ValueError) as error:
        raise SpdyError("bad header block") from error
    return headers


def _text(data: bytes, at: int) -> tuple[str, int]:
    (size,) = struct.unpack_from(">I", data, at)
    end = at + 4 + size
    if end > len(data):
        raise ValueError("a header runs over its block")
    return data[at + 4 : end].decode(), end


def control(kind: int, payload: bytes, flags: int = 0) -> bytes:
    return struct.pack(">HHI", 0x8000 | VERSION, kind, flags << 24 | len(payload)) + payload


def data_frame(stream_id: int, payload: bytes, flags: int = 0) -> bytes:
    return struct.pack(">II", stream_id, flags << 24 | len(payload)) + payload


def parse_head(head: bytes) -> tuple[int, int, int, int]:
    """(control type or 0 for data, stream id of data, flags, length). Raises SpdyError."""
    first, second = struct.unpack(">II", head)
    flags, length = second >> 24, second & 0xFFFFFF
    if not first & 0x80000000:
        return 0, first, flags, length
    if (first >> 16) & 0x7FFF != VERSION:
        raise SpdyError("unsupported SPDY version")
    return first & 0xFFFF, 0, flags, length
