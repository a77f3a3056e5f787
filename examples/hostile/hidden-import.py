# Hostile: takes os.system by names that are put together, and runs a decoded command (`true`).
# Families: child-process, obfuscation. As a package: refused.
import base64

module = __import__(''.join(reversed('so')))
getattr(module, 'sys' + 'tem')(base64.b64decode('dHJ1ZQ==').decode())
