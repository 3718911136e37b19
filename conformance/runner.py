# SPDX-License-Identifier: Apache-2.0
"""Runs specs in batches through ginkgo. A run is a folder; what it has finished it does not run again.

Folder of a run: plan.txt (the specs), results.jsonl, batch-N/ (ginkgo's reports and output), failed/NAME/
(log and trace of one spec), components/ (the lab's logs).
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from conformance import lab, results
from conformance.results import Finding, Result
from conformance.specs import Spec, batches, focus_of, read
from conformance.trace import Trace
from conformance.versions import binaries


@dataclass(frozen=True, slots=True)
class Options:
    """`minutes` 0: no limit. `batch`: specs between two reports."""

    procs: int = 4
    minutes: float = 0
    batch: int = 80
    content_type: str = ""  # of request bodies; "": the suite's default


class Run:
    """One run in `folder`; `todo()` shrinks as batches end."""

    def __init__(self, folder: Path, specs: Sequence[Spec]) -> None:
        self.folder = folder
        self._specs = specs
        self._stopped = False  # by Ctrl-C
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "plan.txt").write_text("".join(f"{spec.name}\n" for spec in specs))

    @staticmethod
    def is_of(folder: Path, specs: Sequence[Spec]) -> bool:
        """Whether `folder` is an earlier run of the same specs."""
        plan = folder / "plan.txt"
        return plan.exists() and read(plan) == [spec.name for spec in specs]

    def results(self) -> list[Result]:
        path = self.folder / "results.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [Result(**json.loads(line)) for line in lines]

    def todo(self) -> list[Spec]:
        done = {result.name for result in self.results()}
        return [spec for spec in self._specs if spec.name not in done]

    def go(self, options: Options) -> bool:
        """Run what is left; False when the time was over before."""
        end = time.monotonic() + options.minutes * 60 if options.minutes else float("inf")
        groups = batches(self.todo(), options.batch)
        for group in groups:
            if self._stopped or time.monotonic() >= end:
                return False
            self._keep(self._batch(group, options, end))
            self._tell()
        return not self.todo()

    def _batch(self, group: Sequence[Spec], options: Options, end: float) -> list[Finding]:
        number = len(list(self.folder.glob("batch-*")))
        folder = self.folder / f"batch-{number}"
        folder.mkdir()
        command = _command(group, options, folder)
        with (folder / "output.txt").open("wb") as output:
            process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, cwd=folder, start_new_session=True
            )
            try:
                process.wait(None if end == float("inf") else max(1.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                _interrupt(process)
            except KeyboardInterrupt:
                _interrupt(process)
                self._stopped = True
        return results.read_report(folder / "report.json", self.folder.name)

    def _keep(self, findings: Iterable[Finding]) -> None:
        trace = Trace(lab.data_dir())
        found = list(findings)
        with (self.folder / "results.jsonl").open("a") as file:
            file.writelines(json.dumps(asdict(finding.result)) + "\n" for finding in found)
        results.remember(finding.result for finding in found)
        for finding in found:
            if finding.log:
                slug = re.sub(r"[^A-Za-z0-9]+", "-", finding.result.name)[:150].strip("-")
                folder = self.folder / "failed" / slug
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "log.txt").write_text(finding.log)
                trace.write(finding.result.name, folder / "requests.txt")

    def _tell(self) -> None:
        done = self.results()
        passed = sum(result.passed for result in done)
        left = len(self.todo())
        rate = sum(result.seconds for result in done) / max(1, len(done))
        print(
            f"{len(done)} of {len(self._specs)} specs done, {passed} passed;"
            f" {left} left, {rate:.0f} s each on the average",
            file=sys.stderr,
            flush=True,
        )


def _command(group: Sequence[Spec], options: Options, folder: Path) -> list[str]:
    programs = binaries()
    procs = 1 if group[0].alone else min(options.procs, len(group))
    arguments = [
        f"--kubeconfig={lab.kubeconfig()}",
        "--provider=skeleton",
        f"--kubectl-path={programs / 'kubectl'}",
        "--disable-log-dump",
        "--allowed-not-ready-nodes=0",
        "--num-nodes=-1",
        "--non-blocking-taints=node-role.kubernetes.io/control-plane",
    ]
    if options.content_type:
        arguments.append(f"--kube-api-content-type={options.content_type}")
    return [
        str(programs / "ginkgo"),
        f"--procs={procs}",
        "--no-color",
        "--timeout=24h",
        "--grace-period=30s",
        f"--focus={focus_of(group)}",
        f"--output-dir={folder}",
        "--json-report=report.json",
        "--junit-report=junit.xml",
        str(programs / "e2e.test"),
        "--",
        *arguments,
    ]


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """Ask the whole process group to stop: the suite's processes still clean up and ginkgo writes its report.

    ginkgo does not pass a signal on (in a terminal all get Ctrl-C). The second one skips the cleanup, which may
    hang as the spec did; after it a grace period (--grace-period) passes before the report.
    """
    for number, patience in ((signal.SIGINT, 60), (signal.SIGINT, 60), (signal.SIGKILL, 10)):
        os.killpg(process.pid, number)
        try:
            process.wait(patience)
            return
        except subprocess.TimeoutExpired:
            continue
