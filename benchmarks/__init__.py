# SPDX-License-Identifier: Apache-2.0
"""Figures: every script prints what it measured; the documentation quotes nothing else."""
