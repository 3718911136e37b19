# SPDX-License-Identifier: Apache-2.0
"""/version: which Kubernetes we are."""

import platform

from pybernetes.apimachinery.types import Object

MAJOR, MINOR, PATCH = "1", "37", "1"


def version_info() -> Object:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": MAJOR,
        "minor": MINOR,
        "emulationMajor": MAJOR,
        "emulationMinor": MINOR,
        "minCompatibilityMajor": MAJOR,
        "minCompatibilityMinor": "36",
        "gitVersion": f"v{MAJOR}.{MINOR}.{PATCH}+pybernetes",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "cpython" + platform.python_version(),
        "platform": f"linux/{machine}",
    }
