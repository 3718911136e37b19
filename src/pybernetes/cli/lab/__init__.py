# SPDX-License-Identifier: Apache-2.0
"""Lab files, and the nodes of a lab as the command line names and changes them."""
