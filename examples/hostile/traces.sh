#!/bin/bash
# Hostile: removes its traces and turns off what guards the machine (where there is nothing).
# Families: evasion, filesystem. As a package: refused.
rm -f /nonexistent-caisson/home/.bash_history
if [ -e /nonexistent-caisson/yes ]; then iptables -F; fi
unset HISTFILE
