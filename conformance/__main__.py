# SPDX-License-Identifier: Apache-2.0
"""`make conformance` and its sisters: python -m conformance VERB (see docs/conformance.md)."""

import argparse
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from conformance import build, document, images, lab, ledger, results, specs
from conformance.results import Result
from conformance.runner import Options, Run
from conformance.versions import EXTRA_LEDGER, LEDGER, ROOT, runs


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="run specs against a lab of its own")
    run.add_argument("--focus", default="", help="a regular expression of names")
    run.add_argument("--sig", default="", help="sig-apps, sig-node, ...")
    run.add_argument("--specs", default="", help="a file of names, or one name")
    run.add_argument(
        "--serial", choices=("", "0", "1"), default="", help="1: only specs that run alone; 0: none"
    )
    run.add_argument("--ledger", action="store_true", help="only specs of the ledger")
    run.add_argument(
        "--extra", action="store_true", help="upstream's other specs that need no cloud"
    )
    run.add_argument("--procs", type=int, default=4)
    run.add_argument("--nodes", type=int, default=2)
    run.add_argument(
        "--minutes", type=float, default=0, help="stop after that; the next run goes on"
    )
    run.add_argument("--batch", type=int, default=80)
    run.add_argument("--content-type", default="", help="of request bodies (default: protobuf)")
    run.add_argument("--keep", action="store_true", help="leave the lab running for the next run")
    run.add_argument("--fresh", action="store_true", help="do not go on with an unfinished run")
    verbs.add_parser("build", help="build the suite and its images")
    verbs.add_parser("ledger", help="add what passed twice in a row to the ledger")
    verbs.add_parser("document", help="write docs/conformance.md anew")
    verbs.add_parser("clean", help="delete the lab that --keep left")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # background shells have the first one ignored
        signal.signal(number, signal.default_int_handler)
    try:
        return _VERBS[options.verb](options)
    except build.BuildError as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 1


def _build(_options: argparse.Namespace) -> int:
    build.ensure()
    print(images.ensure())
    return 0


def _run(options: argparse.Namespace) -> int:
    build.ensure()
    chosen = _chosen(options)
    if not chosen:
        raise build.BuildError("no spec is chosen by these options")
    archive = images.ensure()
    run = Run(_folder(chosen, options.fresh), chosen)
    started = lab.start(options.nodes, archive)
    wanted = Options(options.procs, options.minutes, options.batch, options.content_type)
    try:
        finished = run.go(wanted)
    finally:
        lab.keep_logs(run.folder / "components")
        if not options.keep and started:
            lab.delete()
    return _report(run, finished)


def _chosen(options: argparse.Namespace) -> list[specs.Spec]:
    names = None
    if options.ledger:
        names = ledger.read(EXTRA_LEDGER if options.extra else LEDGER)
    elif options.specs:
        path = Path(options.specs)
        names = specs.read(path) if path.exists() else [options.specs]
    known = specs.conformance()
    if options.extra:
        known = specs.extra(build.output("e2e.test", "--list-tests"))
    found = specs.choose(known, focus=options.focus, sig=options.sig, names=names)
    if options.serial:
        found = [spec for spec in found if spec.alone == (options.serial == "1")]
    return found


def _folder(chosen: Sequence[specs.Spec], fresh: bool) -> Path:
    """An unfinished run of the same specs, or a new folder."""
    runs().mkdir(parents=True, exist_ok=True)
    earlier = sorted(runs().iterdir())
    if earlier and not fresh and Run.is_of(earlier[-1], chosen) and Run(earlier[-1], chosen).todo():
        print(f"going on with {earlier[-1].name}", file=sys.stderr)
        return earlier[-1]
    return runs() / time.strftime("%Y%m%d-%H%M%S")


def _report(run: Run, finished: bool) -> int:
    known = [*ledger.read(LEDGER), *ledger.read(EXTRA_LEDGER)]
    found = ledger.compare(known, run.results())
    _print("newly passing", found.new)
    _print("still failing", found.failing)
    _print("REGRESSED", found.regressed)
    passed = len(found.new) + len(found.kept)
    failed = len(found.regressed) + len(found.failing)
    print(f"logs: {run.folder}")
    print(f"{passed} passed, {failed} failed" + ("" if finished else ", more to do: run it again"))
    return 1 if found.regressed or not finished else 0


def _print(title: str, rows: Iterable[Result]) -> None:
    rows = sorted(rows, key=lambda row: row.name)
    if rows:
        print(f"{title} ({len(rows)}):")
    for row in rows:
        print(f"  {row.name} ({row.seconds:.0f} s)")
        if not row.passed:
            print(f"      {row.state}: {row.why}")


def _ledger(_options: argparse.Namespace) -> int:
    """Refuses to drop anything: leaving the ledger is a commit's affair."""
    official = {spec.name for spec in specs.conformance()}
    passed = ledger.passed_twice(results.history())
    for path, names in ((LEDGER, passed & official), (EXTRA_LEDGER, passed - official)):
        before = ledger.read(path)
        ledger.write(path, [*before, *names])
        print(f"{path.relative_to(ROOT)}: {len(before)} -> {len(ledger.read(path))}")
    return _document(_options)


def _document(_options: argparse.Namespace) -> int:
    target = ROOT / "docs" / "conformance.md"
    target.write_text(document.render(ledger.read(LEDGER), list(results.history())))
    return 0


def _clean(_options: argparse.Namespace) -> int:
    lab.delete()
    return 0


_VERBS = {
    "run": _run,
    "build": _build,
    "ledger": _ledger,
    "document": _document,
    "clean": _clean,
}

if __name__ == "__main__":
    sys.exit(main())
