#!/bin/sh
# `npm test`: everything a fresh clone needs, then every check.
#
#   npm test                      all of it
#   npm test -- test/policy …     the tests below these paths alone
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh
PATH=$PWD/node_modules/.bin:$PATH
export PATH
exec node scripts/test.ts "$@"
