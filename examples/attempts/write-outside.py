"""Leaves a file on the host: in a directory that was not given to it, and beside itself.

    python3 write-outside.py DIRECTORY
"""

import pathlib
import sys

reasons = []
for directory in (pathlib.Path(sys.argv[1]), pathlib.Path(__file__).parent):
    try:
        (directory / "planted.txt").write_text("planted\n", encoding="utf-8")
        print("wrote", directory / "planted.txt")
        break
    except OSError as error:
        reasons.append(error.strerror)
else:
    raise SystemExit("; ".join(reasons))
