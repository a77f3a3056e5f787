#!/bin/sh
# `npm test`: everything a fresh clone needs, then every check.
#
#   npm test                      all of it
#   npm test -- test/policy …     the tests below these paths alone
set -eu
cd "$(dirname "$0")/.."
# Tests that are named may not need what could not be set up.
sh scripts/setup.sh --tests || [ $# -gt 0 ]
PATH=$PWD/node_modules/.bin:$PATH
export PATH
exec node scripts/test.ts "$@"
