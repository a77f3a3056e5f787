#!/bin/sh
# Run where the sources are. coverage.sh DIR LIMIT SOURCE…: line coverage of each source over all targets' runs in DIR (DIR/TARGET/*.gcda); fails when
# one is below LIMIT per cent. A line counts as covered when any target ran it.
set -eu
dir=$1 limit=$2
shift 2
status=0
for source in "$@"; do
  name=$(basename "$source" .c)
  for target in "$dir"/*/; do
    [ -f "$target$name.gcda" ] || continue
    # The intermediate text of gcov: count:line:source for each line that holds code.
    gcov -t -o "$target" "$source"
  done | awk -F: -v name="$name.c" -v limit="$limit" '
    { gsub(/ /, "", $1); gsub(/ /, "", $2) }
    $2 == 0 && $3 == "Source" { wanted = $4 == name }
    $2 == 0 || $1 == "-" || !wanted { next }
    { code[$2] = 1; if ($1 !~ /^[#=]/) run[$2] = 1 }
    END {
      for (line in code) { total++; if (line in run) covered++; else missing = missing " " line }
      if (total == 0) { print name ": no data"; exit 1 }
      printf "%s: %.1f %% of %d lines%s\n", name, 100 * covered / total, total, missing == "" ? "" : " (not:" missing ")"
      exit 100 * covered / total < limit
    }' || status=1
done
exit $status
