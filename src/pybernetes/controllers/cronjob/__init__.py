# SPDX-License-Identifier: Apache-2.0
"""CronJobs: a Job at every time of a schedule, and a short history of the finished ones."""
