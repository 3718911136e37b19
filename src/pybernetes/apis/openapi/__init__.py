# SPDX-License-Identifier: Apache-2.0
"""OpenAPI documents: v3 per group version, v2 (swagger) for all, as JSON and (v2) as protobuf."""
