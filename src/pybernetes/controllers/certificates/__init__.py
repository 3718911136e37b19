# SPDX-License-Identifier: Apache-2.0
"""certificatesigningrequest-{approving,signing,cleaner}-controller: from a request to a certificate.

The approver knows kubelets: their client certificates (asked for with a bootstrap token, or by a
node renewing its own) if a SubjectAccessReview allows it, and, where it is turned on, serving
certificates whose names and addresses are those of their Node. Everything else a person approves.
"""
