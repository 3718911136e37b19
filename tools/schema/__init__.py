# SPDX-License-Identifier: Apache-2.0
"""Distils what upstream publishes about its kinds into one compact data file. Not shipped.

    python -m tools.schema MODULE_CACHE [OUTPUT]

MODULE_CACHE is Go's module cache (GOMODCACHE) holding the modules named in `sources.py`. The file
is gzip over lines of JSON: a header (resources, kinds, priorities), then one line a type.
"""
