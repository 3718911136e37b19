# SPDX-License-Identifier: Apache-2.0
"""The command line: finds the verb, imports its module, runs it; errors become one line.

Exit codes: 0 done, 1 it failed (the line says why and what to do), 2 the command line is wrong.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence

from pybernetes import __version__
from pybernetes.base.errors import Told
from pybernetes.cli.registry import VERBS

_EPILOG = """examples:
  pybernetes up                    start a cluster and make it kubectl's current context
  kubectl get nodes -o wide        use it
  pybernetes status                what runs, and where it keeps its data
  pybernetes down                  stop it; `pybernetes up` brings everything back
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb. `argv` defaults to the process's own arguments."""
    args = list(sys.argv[1:] if argv is None else argv)
    if args[:1] and args[0] in VERBS:
        options = _verb(args[0]).parse_intermixed_args(args[1:])  # flags and names in any order
    else:
        parser = _parser()
        parser.parse_args(args)
        parser.print_help()
        return 0
    try:
        return int(options.run(options) or 0)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 1
    except (Told, OSError) as error:
        print(f"pybernetes: {error}", file=sys.stderr)
        return getattr(error, "code", 1)


def _verb(name: str) -> argparse.ArgumentParser:
    """A verb's parser; the others' modules are not even imported."""
    module = importlib.import_module(f"pybernetes.cli.verbs.{name}")
    parser = argparse.ArgumentParser(
        prog=f"pybernetes {name}",
        description=VERBS[name],
        epilog=module.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    getattr(module, "configure", lambda _parser: None)(parser)
    parser.set_defaults(run=module.run)
    return parser


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pybernetes",
        description="Kubernetes, written from scratch in Python.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pybernetes {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")
    for verb, help_text in VERBS.items():
        verbs.add_parser(verb, help=help_text)
    return parser


if __name__ == "__main__":
    sys.exit(main())
