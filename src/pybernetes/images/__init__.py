# SPDX-License-Identifier: Apache-2.0
"""Container images without Docker: an OCI image writer, and import into the runtime."""
