# SPDX-License-Identifier: Apache-2.0
"""StatefulSets: pods with an ordinal, a name and claims that stay theirs."""
