#!/bin/bash
# Hostile: a function that starts itself twice, without end (it is defined, and not called).
# Families: resource-abuse. As a package: refused.
bomb() { bomb | bomb & }
echo defined
