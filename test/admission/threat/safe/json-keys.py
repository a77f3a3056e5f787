import json


def keys(text):
    return sorted(json.loads(text))
