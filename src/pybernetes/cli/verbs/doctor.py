# SPDX-License-Identifier: Apache-2.0
"""`pybernetes doctor`: what this machine offers for real containers, and what is missing."""

import argparse

from pybernetes.machine.detect import detect, program

EXAMPLES = """examples:
  pybernetes doctor
"""


def run(options: argparse.Namespace) -> int:
    missing = detect()
    for item in missing:
        print(f"missing  {item}")
    if not missing:
        print("ok       real containers: everything is here")
    else:
        print("so       nodes are hollow: pods are simulated, nothing is started")
    if program("kubectl") is None:
        print("missing  kubectl (any version; https://kubernetes.io/docs/tasks/tools)")
    return 1 if missing else 0
