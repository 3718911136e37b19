# SPDX-License-Identifier: Apache-2.0
"""What Services get from the server: IP families, cluster IPs, node ports; and `kubernetes` itself."""
