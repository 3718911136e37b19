# SPDX-License-Identifier: Apache-2.0
"""THE table of volume types: the name in a pod's (or PersistentVolume's) spec, and its type."""

from collections.abc import Mapping

from pybernetes.kubelet import payloads
from pybernetes.kubelet.volumeapi import VolumeType
from pybernetes.kubelet.volumes import emptydir, hostpath, image

TYPES: Mapping[str, VolumeType] = {
    "configMap": payloads.live(payloads.config_map, secret=False),
    "downwardAPI": payloads.live(payloads.downward_api),
    "emptyDir": emptydir.TYPE,
    "hostPath": hostpath.TYPE,
    "image": image.TYPE,
    "local": hostpath.LOCAL,
    "projected": payloads.live(payloads.projected),
    "secret": payloads.live(payloads.secret),
}
