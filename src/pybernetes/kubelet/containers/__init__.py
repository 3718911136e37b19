# SPDX-License-Identifier: Apache-2.0
"""From pod specs to the CRI's configs: sandbox, container, environment, security, resources. Pure
but for the environment, which looks objects up."""
