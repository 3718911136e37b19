# SPDX-License-Identifier: Apache-2.0
"""What all controllers share: the loop, and what is written the same way in each of them."""
