#!/bin/sh
# Hostile: has the kernel start a program outside of the container (in a group that is not there).
# Families: sandbox-escape, filesystem. As a package: refused.
group=/nonexistent-caisson/cgroup
echo 1 > /nonexistent-caisson/cgroup/x/notify_on_release
echo /nonexistent-caisson/agent.sh > /nonexistent-caisson/cgroup/release_agent
echo "$group" >/dev/null
