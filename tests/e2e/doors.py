"""A server that lets nobody in, and logs each refusal in the words of sshd or of a program of one's own.

Called with a port, `sshd` or `door`, and the log.
"""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path


def line(kind: str, client: str, port: int, number: int) -> str:
    """Return what is logged of a client."""
    if kind == "door":
        return f"{time.strftime('%Y-%m-%dT%H:%M:%S')} door: {client} knocked\n"
    stamp = time.strftime("%b %e %H:%M:%S")
    return f"{stamp} www sshd[{1000 + number}]: Failed password for invalid user admin from {client} port {port} ssh2\n"


def main() -> None:
    """Serve for ever."""
    port, kind, log = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    with socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) as door:
        number = 0
        while True:
            connection, (client, source, *_) = door.accept()
            with connection, log.open("a") as file:
                number += 1
                file.write(line(kind, client.removeprefix("::ffff:"), source, number))
                file.flush()
                connection.sendall(b"no\n")


if __name__ == "__main__":
    main()
