# SPDX-License-Identifier: Apache-2.0
"""bootstrap-signer-controller and token-cleaner-controller: tokens with which nodes join.

The signer lets whoever holds a token check the kubeconfig in kube-public/cluster-info that it read
from a server it does not trust yet; the cleaner removes tokens whose time is over.
"""
