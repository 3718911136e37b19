# SPDX-License-Identifier: Apache-2.0
"""Finished Jobs with ttlSecondsAfterFinished are deleted when their time is over."""
