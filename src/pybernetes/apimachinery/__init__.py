# SPDX-License-Identifier: Apache-2.0
"""What is true of all kinds, without I/O: schemas, patches, selectors, quantities, errors."""
