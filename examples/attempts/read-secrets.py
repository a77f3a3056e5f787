"""Looks for credentials where people leave them: the environment and the home directory.

    python3 read-secrets.py HOME
"""

import os
import pathlib
import sys

home = pathlib.Path(sys.argv[1])
found = [name for name in os.environ if "TOKEN" in name or "SECRET" in name]
found += [str(path) for path in (home / ".ssh", home / ".npmrc", home / ".aws") if path.exists()]
if found:
    print("found", ", ".join(found))
else:
    raise SystemExit("no token in the environment, nothing below the home directory")
