/** A person at a terminal. */

/**
 * Plays keys into a pseudo-terminal: for each step waits for a text in what the program wrote since the last one, then
 * types (Ctrl-C is byte 3). Prints the exit code.
 */
export const typist = `
import json, os, pty, select, sys, time
steps, argv = json.loads(sys.argv[1]), sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(argv[0], argv)
seen = b""
def read(until):
    global seen
    end = time.monotonic() + 30
    while until is None or until.encode() not in seen:
        if time.monotonic() > end:
            sys.exit(f"never saw {until!r} in {seen!r}")
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            part = os.read(terminal, 4096)
        except OSError:
            part = b""
        if part == b"":
            if until is None:
                return
            sys.exit(f"ended before {until!r}: {seen!r}")
        seen += part
        # A machine so slow that a second passed between the two, or so busy that the kernel took both for one signal:
        # the next pair may be the one.
        if until is None and (b"heard 1" in seen or b"heard 2" in seen):
            seen = b""
            os.write(terminal, b"\\x03\\x03")
    seen = seen.split(until.encode(), 1)[1]
for text, pause, keys in steps:
    read(text)
    time.sleep(pause)
    os.write(terminal, bytes(keys))
read(None)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;
