# SPDX-License-Identifier: Apache-2.0
"""What happens to every request before and after its verb; `registry` is the order."""
