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
        first, _, name = ctx.info.path.strip("/").partition("/")
        table = self._tables.get(first)
        if table is None:
            return None
        if name:
            return self._one(first, name, table)
        return self._all(first, table, ctx)

    @staticmethod
    def _one(endpoint: str, name: str, table: Mapping[str, Check]) -> Response | None:
        check = table.get(name)
        if check is None:
            return None
        problem = check()
        if problem:
            return Response(500, f"{endpoint} check failed: {problem}\n".encode(), _TEXT)
        return Response(200, b"ok", _TEXT)

    @staticmethod
    def _all(endpoint: str, table: Mapping[str, Check], ctx: Context) -> Response:
        excluded = ctx.params.get("exclude", ())
        lines, failed = [], []
        for name, check in table.items():
            if name in excluded:
                lines.append(f"[+]{name} excluded: ok")
                continue
            problem = check()
            if problem:
                failed.append(name)
                lines.append(f"[-]{name} failed: reason withheld")
            else:
                lines.append(f"[+]{name} ok")
        unknown = [name for name in excluded if name not in table]
        if unknown:
            shown = ",".join(f'"{name}"' for name in sorted(unknown))
            text = f"some health checks cannot be excluded: no matches for {shown}"
            lines.append(f"warn: {text}")
        if failed:
            text = "\n".join([*lines, f"{endpoint} check failed", ""])
            return Response(500, text.encode(), _TEXT)
        if "verbose" in ctx.params:
            text = "\n".join([*lines, f"{endpoint} check passed", ""])
            return Response(200, text.encode(), _TEXT)
        return Response(200, b"ok", _TEXT)
