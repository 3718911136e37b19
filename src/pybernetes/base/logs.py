# SPDX-License-Identifier: Apache-2.0
"""Log lines: one sentence plus keys, on top of stdlib logging, in klog's format.

`log = logs.get("scheduler")`; `log.info("Pod bound", pod=pod, node="n1")` writes
`I0101 00:00:07.250000 scheduler] "Pod bound" pod="default/web-0" node="n1"`.
Time comes from the Clock given to `configure`, so a simulation's log repeats exactly. Objects are
shown by name only and values of keys that name a credential are not shown: no secrets in logs.
"""

import json
import logging
import traceback
from collections.abc import Mapping
from typing import Any, TextIO

from pybernetes.base.clock import Clock

ROOT = "pybernetes"
HIDDEN = frozenset({"token", "password", "private_key", "authorization", "data", "stringData"})


def _shown(key: str, value: Any) -> Any:
    """`value` as a plain JSON value that may be shown to anybody."""
    if key in HIDDEN:
        return "[hidden]"
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return _named(value)
    if isinstance(value, list | tuple):
        return [_shown("", item) for item in value]
    if isinstance(value, bytes | bytearray):
        return f"{len(value)} bytes"
    return _worded(value)


def _worded(value: object) -> str:
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}" if str(value) else type(value).__name__
    return str(value)


def _named(value: Mapping[str, Any]) -> Any:
    """A Kubernetes object as namespace/name (upstream's klog.KObj), another mapping item by item."""
    metadata = value.get("metadata")
    if isinstance(metadata, Mapping):
        namespace, name = metadata.get("namespace"), metadata.get("name", "")
        return f"{namespace}/{name}" if namespace else name
    return {str(key): _shown(str(key), item) for key, item in value.items()}


class Line:
    """A message for stdlib logging that is put into words only if someone writes it."""

    def __init__(self, sentence: str, fields: Mapping[str, Any]) -> None:
        self._sentence = sentence
        self._fields = fields

    def __str__(self) -> str:
        words = [json.dumps(self._sentence, ensure_ascii=False)]
        for key, value in self._fields.items():
            words.append(f"{key}={json.dumps(_shown(key, value), ensure_ascii=False)}")
        return " ".join(words)


class Logger:
    """A named logger. Fields are keyword arguments; exceptions go into `err=`."""

    __slots__ = ("_logger", "_name")

    def __init__(self, name: str) -> None:
        self._name = f"{ROOT}.{name}"
        self._logger = logging.getLogger(self._name)

    def _log(self, level: int, sentence: str, fields: Mapping[str, Any]) -> None:
        if self._logger.isEnabledFor(level):
            line = Line(sentence, fields)
            self._logger.handle(
                logging.LogRecord(self._name, level, "", 0, line, None, None),
            )

    def debug(self, sentence: str, /, **fields: Any) -> None:
        self._log(logging.DEBUG, sentence, fields)

    def info(self, sentence: str, /, **fields: Any) -> None:
        self._log(logging.INFO, sentence, fields)

    def warning(self, sentence: str, /, **fields: Any) -> None:
        self._log(logging.WARNING, sentence, fields)

    def error(self, sentence: str, /, **fields: Any) -> None:
        self._log(logging.ERROR, sentence, fields)

    def crash(self, sentence: str, error: BaseException, /, **fields: Any) -> None:
        """An error nobody foresaw: with its traceback."""
        fields["err"] = error
        fields["stack"] = "".join(traceback.format_exception(error))
        self._log(logging.ERROR, sentence, fields)


def get(name: str) -> Logger:
    return Logger(name)


class KlogFormatter(logging.Formatter):
    """`I0102 15:04:05.000000 name] "sentence" key="value"`."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def format(self, record: logging.LogRecord) -> str:
        when = self._clock.now().strftime("%m%d %H:%M:%S.%f")
        return f"{record.levelname[0]}{when} {record.name.removeprefix(ROOT + '.')}] {record.getMessage()}"


def configure(level: str, stream: TextIO, clock: Clock | None = None) -> None:
    """Write lines of `level` ("debug", "info", "warning", "error") and above to `stream`.

    Replaces what an earlier call set up. Without a call, lines go wherever stdlib logging sends
    them (pytest's caplog sees them).
    """
    root = logging.getLogger(ROOT)
    root.setLevel(level.upper())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(KlogFormatter(clock or Clock()))
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.propagate = False
