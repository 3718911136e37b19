# SPDX-License-Identifier: Apache-2.0
"""THE table of volume types: the name in a pod's (or PersistentVolume's) spec, and its type."""

from collections.abc import Mapping

from pybernetes.kubelet.volumeapi import VolumeType
from pybernetes.kubelet.volumes import (
    configmap,
    downwardapi,
    emptydir,
    hostpath,
    local,
    projected,
    secret,
)

TYPES: Mapping[str, VolumeType] = {
    "configMap": configmap.TYPE,
    "downwardAPI": downwardapi.TYPE,
    "emptyDir": emptydir.TYPE,
    "hostPath": hostpath.TYPE,
    "local": local.TYPE,
    "projected": projected.TYPE,
    "secret": secret.TYPE,
}
