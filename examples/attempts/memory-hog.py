"""Takes memory, and touches it, until the machine has none left (or it has 8 GiB)."""

MIB = 1 << 20
taken = []
for _ in range(128):
    taken.append(bytearray(b"x") * (64 * MIB))
print("took 8 GiB")
