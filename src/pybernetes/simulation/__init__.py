# SPDX-License-Identifier: Apache-2.0
"""Public: whole clusters on virtual time, scenarios and fault injection, repeatable from a seed."""
