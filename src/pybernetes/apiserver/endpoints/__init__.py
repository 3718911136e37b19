# SPDX-License-Identifier: Apache-2.0
"""What is served outside the resources: version, health, metrics, discovery, OpenAPI, OIDC keys."""
