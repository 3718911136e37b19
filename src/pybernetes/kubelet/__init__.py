# SPDX-License-Identifier: Apache-2.0
"""The kubelet: computes what each pod needs (podactions) and does it through the CRI."""
