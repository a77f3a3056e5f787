#!/bin/sh
# Hostile: the command is a text in base64; what it says is `echo payload`.
# Families: dynamic-code, obfuscation. As a package: refused.
echo ZWNobyBwYXlsb2Fk | base64 -d | sh
