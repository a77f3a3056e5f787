# Hostile: the program is a packed text; what it says is print("payload").
# Families: dynamic-code, obfuscation. As a package: refused.
import base64
import zlib

exec(zlib.decompress(base64.b64decode('eJwrKMrMK9FQKkiszMlPTFHSBAAzpQWt')))
