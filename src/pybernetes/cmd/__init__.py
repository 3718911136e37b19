# SPDX-License-Identifier: Apache-2.0
"""One small file per binary: flags become a frozen Config, the Config becomes running components."""
