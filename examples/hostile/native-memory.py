# Hostile: puts machine code into memory and jumps to it (the code is empty, and nothing calls it).
# Families: native-code. As a package: ordinary.
import ctypes


def jump(code=b''):
    kernel = ctypes.windll.kernel32
    address = kernel.VirtualAlloc(0, len(code), 0x3000, 0x40)
    ctypes.memmove(address, code, len(code))
    kernel.CreateThread(0, 0, address, 0, 0, 0)
