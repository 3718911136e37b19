# SPDX-License-Identifier: Apache-2.0
"""endpoints-controller: the Endpoints object of every service with a selector."""
