# SPDX-License-Identifier: Apache-2.0
"""What portmap leaves behind is taken away, unless a pod still has a host port."""

from pybernetes.network.hostports import leftovers

EMPTY = """\
-P PREROUTING ACCEPT
-N CNI-HOSTPORT-DNAT
-N CNI-HOSTPORT-MASQ
-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A POSTROUTING -m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ
-A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE
-A POSTROUTING -s 192.0.2.0/24 -j MASQUERADE
"""


def test_jumps_go_before_their_chains_and_others_stay():
    found = leftovers(EMPTY)
    assert found[:2] == [
        ["-D", "PREROUTING", "-m", "addrtype", "--dst-type", "LOCAL", "-j", "CNI-HOSTPORT-DNAT"],
        ["-D", "POSTROUTING", "-m", "comment", "--comment", "CNI portfwd requiring masquerade",
         "-j", "CNI-HOSTPORT-MASQ"],
    ]  # fmt: skip
    assert found[-2:] == [["-X", "CNI-HOSTPORT-DNAT"], ["-X", "CNI-HOSTPORT-MASQ"]]
    assert not any("192.0.2.0/24" in words for words in found)


def test_nothing_is_touched_while_a_host_port_is_in_use():
    assert leftovers(EMPTY + "-A CNI-HOSTPORT-DNAT -p tcp -j CNI-DN-0123\n") == []
