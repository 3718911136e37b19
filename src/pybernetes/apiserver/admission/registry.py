# SPDX-License-Identifier: Apache-2.0
"""The table of admission plugins, in upstream's order.

What upstream turns on by default and is not built stands in UNSUPPORTED: asking for it fails by
name. Webhooks and policies are made elsewhere and handed in as `extra`; they take their places.
"""

from collections.abc import Mapping, Sequence

from pybernetes.apiserver.admission.certificates import (
    CertificateApproval,
    CertificateSigning,
    CertificateSubjectRestriction,
    ClusterTrustBundleAttest,
)
from pybernetes.apiserver.admission.chain import Chain
from pybernetes.apiserver.admission.defaults import (
    DefaultIngressClass,
    DefaultStorageClass,
    DefaultTolerationSeconds,
    PodTopologyLabels,
    StorageObjectInUseProtection,
    TaintNodesByCondition,
)
from pybernetes.apiserver.admission.limitranger import LimitRanger
from pybernetes.apiserver.admission.namespacelifecycle import NamespaceLifecycle
from pybernetes.apiserver.admission.noderestriction import NodeRestriction
from pybernetes.apiserver.admission.persistentvolumeclaimresize import PersistentVolumeClaimResize
from pybernetes.apiserver.admission.plugin import Parts, Plugin
from pybernetes.apiserver.admission.priority import Priority
from pybernetes.apiserver.admission.runtimeclass import RuntimeClass
from pybernetes.apiserver.admission.serviceaccount import ServiceAccount
from pybernetes.apiserver.types import AdmissionPlugin

PLUGINS: tuple[type[Plugin], ...] = (
    NamespaceLifecycle,
    LimitRanger,
    ServiceAccount,
    NodeRestriction,
    TaintNodesByCondition,
    Priority,
    DefaultTolerationSeconds,
    DefaultStorageClass,
    StorageObjectInUseProtection,
    PersistentVolumeClaimResize,
    RuntimeClass,
    CertificateApproval,
    CertificateSigning,
    ClusterTrustBundleAttest,
    CertificateSubjectRestriction,
    DefaultIngressClass,
    PodTopologyLabels,
)
LAST = (  # made elsewhere, or charged last: they come after all others, in this order
    "MutatingAdmissionPolicy",
    "MutatingAdmissionWebhook",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionWebhook",
    "ResourceQuota",
)
UNSUPPORTED = (
    "AlwaysPullImages",
    "DenyServiceExternalIPs",
    "EventRateLimit",
    "ExtendedResourceToleration",
    "ImagePolicyWebhook",
    "LimitPodHardAntiAffinityTopology",
    "NamespaceAutoProvision",
    "NamespaceExists",
    "NodeDeclaredFeatureValidator",
    "OwnerReferencesPermissionEnforcement",
    "PodGroupProtection",
    "PodNodeSelector",
    "PodResizeValidator",
    "PodSecurity",
    "PodTolerationRestriction",
)


def build(
    parts: Parts,
    *,
    enable: Sequence[str] = (),
    disable: Sequence[str] = (),
    extra: Mapping[str, AdmissionPlugin] | None = None,
) -> Chain:
    """The chain. Raises ValueError for a plugin that is unknown or not supported.

    `enable` and `disable` are upstream's flags; all of PLUGINS are on by default. `extra` are
    plugins of the names in LAST.
    """
    last = extra or {}
    known = [plugin.name for plugin in PLUGINS]
    for name in enable:
        if name in UNSUPPORTED or (name in LAST and name not in last):
            raise ValueError(f"unsupported admission plugin: {name}")
    for name in [*enable, *disable, *last]:
        if name not in known and name not in LAST and name not in UNSUPPORTED:
            raise ValueError(f"unknown admission plugin: {name}")
    chosen: list[AdmissionPlugin] = [
        plugin(parts) for plugin in PLUGINS if plugin.name not in disable
    ]
    chosen += [last[name] for name in LAST if name in last and name not in disable]
    return Chain(chosen)
