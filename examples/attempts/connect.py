"""Sends what it has read to a server, here one that really listens on the host.

    python3 connect.py PORT
"""

import socket
import sys

try:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=3) as connection:
        connection.sendall(b"what I have read\n")
        print("sent it")
except OSError as error:
    raise SystemExit(error.strerror or str(error))
