#!/bin/sh
# `npm start`: everything a fresh clone needs, then the demonstration.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh
PATH=$PWD/node_modules/.bin:$PATH
export PATH
exec node scripts/start.ts
