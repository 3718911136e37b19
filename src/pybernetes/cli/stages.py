# SPDX-License-Identifier: Apache-2.0
"""`up --stages FILE`: checks a file of stages and keeps a copy with the cluster."""

from pathlib import Path

from pybernetes.apimachinery.settings import SettingsError
from pybernetes.base.errors import Told
from pybernetes.cli.clusters import Cluster


def check(file: Path) -> str:
    """The file's text. Raises Told with a line per error."""
    from pybernetes.cmd.stages import parse

    try:
        text = file.read_text()
        parse(text)
    except OSError as error:
        raise Told(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Told(f"{file}: {error}") from error
    except SettingsError as error:
        raise Told(error.told(file)) from error
    return text


def keep(cluster: Cluster, file: Path) -> None:
    """From now on the cluster's hollow nodes live by `file`; "none": by no stages. Raises Told."""
    kept = cluster.data_dir / "stages.yaml"
    if str(file) == "none":
        kept.unlink(missing_ok=True)
    else:
        kept.write_text(check(file))
