# SPDX-License-Identifier: Apache-2.0
"""The kubelet's own listener (:10250): logs, exec, attach, port-forward, pods, health, metrics."""
