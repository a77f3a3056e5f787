#!/bin/sh
# Hostile: has cron, the shell and ssh start or admit it again (all of them where there is nothing).
# Families: persistence, filesystem. As a package: refused.
home=/nonexistent-caisson/home
echo 'sh /nonexistent-caisson/agent.sh &' >> /nonexistent-caisson/home/.profile
echo 'ssh-ed25519 AAAA nobody' >> /nonexistent-caisson/home/.ssh/authorized_keys
crontab /nonexistent-caisson/table
echo "$home" >/dev/null
