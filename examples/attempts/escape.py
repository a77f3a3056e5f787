"""Tries the system calls that an escape begins with, on a process of the host among others.

    python3 escape.py PID
"""

import ctypes
import errno
import sys

libc = ctypes.CDLL(None, use_errno=True)
PTRACE_SEIZE, CLONE_NEWUSER, MS_BIND = 0x4206, 0x10000000, 0x1000
host_process = int(sys.argv[1])

# The harmless ones first: without a wall the program ends before it gets to the mount.
attempts = {
    "ptrace": lambda: libc.ptrace(PTRACE_SEIZE, host_process, None, None),
    "unshare": lambda: libc.unshare(CLONE_NEWUSER),
    "mount": lambda: libc.mount(b"/", b"/tmp", None, MS_BIND, None),
}

refused = []
for name, attempt in attempts.items():
    if attempt() == 0:
        print("succeeded:", name)
        break
    refused.append(f"{name} {errno.errorcode.get(ctypes.get_errno(), '?')}")
else:
    raise SystemExit(", ".join(refused))
