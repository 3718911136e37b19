# SPDX-License-Identifier: Apache-2.0
"""Network namespaces of others: a socket opened inside one."""

import os
import socket
from concurrent.futures import ThreadPoolExecutor

from pybernetes.linux.libc import call

_NEWNET = 0x40000000  # CLONE_NEWNET


def tcp_socket(namespace: str, family: socket.AddressFamily) -> socket.socket:
    """A non-blocking TCP socket that lives in the namespace whose file is `namespace`.

    Namespaces belong to threads: one of its own enters, opens the socket and ends, so that no other
    work can find itself there. Blocks for about 0.1 ms. Raises OSError.
    """

    def work() -> socket.socket:
        handle = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            call("setns", handle, _NEWNET, about=namespace)
        finally:
            os.close(handle)
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        return sock

    with ThreadPoolExecutor(1, thread_name_prefix="netns") as own:
        return own.submit(work).result()
