# SPDX-License-Identifier: Apache-2.0
"""HorizontalPodAutoscaler, in the form of autoscaling/v2."""

from pybernetes.apis.autoscaling.convert import CONVERSIONS
from pybernetes.apis.kind import Kind

HORIZONTAL_POD_AUTOSCALER = Kind(conversions=CONVERSIONS)
