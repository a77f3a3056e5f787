import os.path


def inside(folder, name):
    return os.path.join(folder, os.path.basename(name))
