# SPDX-License-Identifier: Apache-2.0
"""Volume types, one file each (those of small files are in payloads.py, local beside hostPath); registry.py is the table."""
