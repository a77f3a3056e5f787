"""Reads the host's password hashes."""

try:
    with open("/etc/shadow", encoding="utf-8") as file:
        print("read", file.readline().split(":")[0] + ":…")
except OSError as error:
    raise SystemExit(error.strerror)
