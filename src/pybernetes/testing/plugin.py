# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin: fixtures are imported only when a test asks for one."""
