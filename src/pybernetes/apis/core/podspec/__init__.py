# SPDX-License-Identifier: Apache-2.0
"""PodSpec and PodTemplateSpec: shared by Pod and by all templates."""
