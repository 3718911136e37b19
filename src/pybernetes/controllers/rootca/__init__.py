# SPDX-License-Identifier: Apache-2.0
"""root-ca-certificate-publisher-controller: kube-root-ca.crt in every active namespace."""
