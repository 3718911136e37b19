# SPDX-License-Identifier: Apache-2.0
"""A host of the test's network: says its name on TCP and UDP port 8080, and calls others when told.

Standard input: one JSON call a line, {"proto", "to": [address, port], "times", "from": source port};
standard output: the list of what came back, "refused" or "silence" where nothing did.
"""

import contextlib
import json
import socket
import sys
import threading

NAME = sys.argv[1]
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM


def say_name(listener: socket.socket) -> None:
    while True:
        connection, peer = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(f"{NAME} {peer[0]}".encode())


def echo_name(listener: socket.socket) -> None:
    while True:
        _, peer = listener.recvfrom(100)
        listener.sendto(f"{NAME} {peer[0]}".encode(), peer)


def call(proto: str, to: tuple[str, int], source: int) -> str:
    with socket.socket(socket.AF_INET, TCP if proto == "tcp" else UDP) as caller:
        caller.settimeout(0.5)
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if source:
            caller.bind(("", source))
        try:
            caller.connect(to)
            if proto == "udp":
                caller.send(b"?")
            return caller.recv(100).decode()
        except ConnectionError:
            return "refused"
        except TimeoutError:
            return "silence"


def main() -> None:
    for kind, serve in ((TCP, say_name), (UDP, echo_name)):
        listener = socket.socket(socket.AF_INET, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("", 8080))
        if kind == TCP:
            listener.listen(64)
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        to = (order["to"][0], order["to"][1])
        answers = [call(order["proto"], to, order["from"]) for _ in range(order["times"])]
        print(json.dumps(answers), flush=True)


main()
