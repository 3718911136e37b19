# SPDX-License-Identifier: Apache-2.0
"""/healthz, /livez, /readyz: single checks by name, all of them with ?verbose, ?exclude=NAME."""

from collections.abc import Callable, Mapping

from pybernetes.apiserver.context import Context
from pybernetes.wire.types import Response

Check = Callable[[], str]
"""What is wrong, or "" for nothing."""
_TEXT = "text/plain; charset=utf-8"


class Health:
    """`checks` by name; `ready_only` are asked by /readyz alone."""

    def __init__(self, checks: Mapping[str, Check], ready_only: Mapping[str, Check]) -> None:
        common = {"ping": lambda: "", "log": lambda: "", **checks}
        self._tables: Mapping[str, Mapping[str, Check]] = {
            "healthz": common,
            "livez": common,
            "readyz": {**common, **ready_only},
        }

    def __call__(self, ctx: Context) -> Response | None:
        endpoint, _, name = ctx.info.path.strip("/").partition("/")
        table = self._tables.get(endpoint)
        if table is None or (name and name not in table):
            return None
        if not name:
            return _all(endpoint, table, ctx)
        problem = table[name]()
        text = f"{endpoint} check failed: {problem}\n" if problem else "ok"
        return Response(500 if problem else 200, text.encode(), _TEXT)


def _all(endpoint: str, table: Mapping[str, Check], ctx: Context) -> Response:
    excluded = ctx.params.get("exclude", ())
    lines, word = [], "passed"
    for name, check in table.items():
        if name in excluded:
            lines.append(f"[+]{name} excluded: ok")
        elif check():
            lines.append(f"[-]{name} failed: reason withheld")
            word = "failed"
        else:
            lines.append(f"[+]{name} ok")
    unknown = [name for name in excluded if name not in table]
    if unknown:
        shown = ",".join(f'"{name}"' for name in sorted(unknown))
        text = f"some health checks cannot be excluded: no matches for {shown}"
        lines.append(f"warn: {text}")
    if word == "passed" and "verbose" not in ctx.params:
        return Response(200, b"ok", _TEXT)
    text = "\n".join([*lines, f"{endpoint} check {word}", ""])
    return Response(200 if word == "passed" else 500, text.encode(), _TEXT)
