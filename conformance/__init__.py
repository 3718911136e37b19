# SPDX-License-Identifier: Apache-2.0
"""Kubernetes' own conformance suite against a lab of ours (`make conformance`), and the ledger of what passes.

`build.py` makes upstream's programs from its Go modules, `images.py` the images its specs use, both into a
cache outside the tree. `lab.py` starts a lab of its own, `runner.py` runs specs in batches that a later run
resumes, `ledger.py` compares with `passing.txt`, `document.py` writes docs/conformance.md.
"""
