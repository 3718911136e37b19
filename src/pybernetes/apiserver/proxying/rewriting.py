# SPDX-License-Identifier: Apache-2.0
"""Links of a proxied backend made to go through the proxy: Location headers and HTML attributes.

Source: k8s.io/apimachinery/pkg/util/proxy/transport.go.
"""

import gzip
import html
import posixpath
import urllib.parse
from collections.abc import Callable
from html.parser import HTMLParser

from pybernetes.apis.data.sections import sections

_LINKS = {tag: names for tag, *names in map(str.split, sections("links.txt", __package__)["links"])}


def rewriter(prefix: str, backend: str, asked: str) -> Callable[[str], str]:
    """Rewrites one URL. `prefix` is the proxy's path, `backend` and `asked` are hosts that mean us."""

    def rewrite(text: str) -> str:
        try:
            url = urllib.parse.urlsplit(text)
        except ValueError:
            return text
        if url.netloc not in {"", backend, asked} or not url.path.startswith("/"):
            return text
        if url.netloc != asked:
            url = url._replace(scheme="", netloc="")
        if not url.path.startswith(prefix):
            path = posixpath.normpath(prefix + url.path)
            slash = "/" if url.path.endswith("/") and not path.endswith("/") else ""
            url = url._replace(path=path + slash)
        return urllib.parse.urlunsplit(url)

    return rewrite


class _Page(HTMLParser):
    """Copies a page; tags with links are written anew."""

    def __init__(self, rewrite: Callable[[str], str]) -> None:
        super().__init__(convert_charrefs=False)
        self.parts: list[str] = []
        self._rewrite = rewrite

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag(tag, attrs, ">")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag(tag, attrs, "/>")

    def _tag(self, tag: str, attrs: list[tuple[str, str | None]], end: str) -> None:
        links = _LINKS.get(tag)
        if links is None or not any(name in links and value for name, value in attrs):
            self.parts.append(self.get_starttag_text() or "")
            return
        words = [tag]
        for name, value in attrs:
            text = self._rewrite(value) if name in links and value else value
            words.append(name if text is None else f'{name}="{html.escape(text)}"')
        self.parts.append(f"<{' '.join(words)}{end}")

    def handle_endtag(self, tag: str) -> None:
        self.parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def handle_entityref(self, name: str) -> None:
        self.parts.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.parts.append(f"&#{name};")

    def handle_comment(self, data: str) -> None:
        self.parts.append(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self.parts.append(f"<!{decl}>")

    def handle_pi(self, data: str) -> None:
        self.parts.append(f"<?{data}>")

    def unknown_decl(self, data: str) -> None:
        self.parts.append(f"<![{data}]>")


def rewrite_page(body: bytes, encoding: str, rewrite: Callable[[str], str]) -> bytes:
    """An HTML body with its links rewritten; unknown encodings are left as they are."""
    if encoding not in {"", "gzip"}:
        return body
    plain = gzip.decompress(body) if encoding else body
    page = _Page(rewrite)
    page.feed(plain.decode("utf-8", "surrogateescape"))
    page.close()
    result = "".join(page.parts).encode("utf-8", "surrogateescape")
    return gzip.compress(result, mtime=0) if encoding else result
