# Hostile: climbs from an empty tuple to every class that is loaded, past the names it was given.
# Families: sandbox-escape. As a package: refused.
def escape():
    for one in ().__class__.__base__.__subclasses__():
        if one.__name__ == '_wrap_close':
            return one.__init__.__globals__['sys'].version
    return None
