# SPDX-License-Identifier: Apache-2.0
"""The API server: authentication, authorization, admission, REST storage, watch cache, streams."""
