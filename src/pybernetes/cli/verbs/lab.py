# SPDX-License-Identifier: Apache-2.0
"""`pybernetes lab schema|check`: what a lab's file may say, and whether one does."""

import argparse
from pathlib import Path

from pybernetes.base.errors import Told

EXAMPLES = """examples:
  pybernetes lab schema > lab.schema.json     for editors: # yaml-language-server: $schema=lab.schema.json
  pybernetes lab check lab.yaml               every error with its line; starts nothing
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("schema", "check"))
    parser.add_argument("file", nargs="?", type=Path, help="check: the lab's file")


def run(options: argparse.Namespace) -> int:
    from pybernetes.cli.lab import file

    if options.action == "schema":
        print(file.SCHEMA.read_text(), end="")
        return 0
    if options.file is None:
        raise Told("lab check: name a file", 2)
    found = file.load(options.file)
    names = ", ".join(node["name"] for node in found["lab"]["nodes"])
    print(f'{options.file}: lab "{found["name"]}" with the nodes {names}')
    return 0
