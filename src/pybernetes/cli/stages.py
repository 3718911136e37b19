# SPDX-License-Identifier: Apache-2.0
"""`up --stages FILE`: checks a file of stages and keeps a copy with the cluster."""

from pathlib import Path

from pybernetes.apimachinery.settings import SettingsError
from pybernetes.cli.clusters import Cluster
from pybernetes.cli.errors import CliError


def check(file: Path) -> str:
    """The file's text. Raises CliError with a line per error."""
    from pybernetes.cmd.stages import parse

    try:
        text = file.read_text()
        parse(text)
    except OSError as error:
        raise CliError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CliError(f"{file}: {error}") from error
    except SettingsError as error:
        raise CliError(error.told(file)) from error
    return text


def keep(cluster: Cluster, file: Path) -> None:
    """From now on the cluster's hollow nodes live by `file`; "none": by no stages. Raises CliError."""
    kept = cluster.data_dir / "stages.yaml"
    if str(file) == "none":
        kept.unlink(missing_ok=True)
    else:
        kept.write_text(check(file))
