# Hostile: looks for who analyses it before it does anything (it does nothing).
# Families: evasion, child-process. As a package: refused.
import getpass
import os
import subprocess

ANALYSTS = ['WDAGUtilityAccount', 'JOHN-PC']
TOOLS = ['wireshark.exe', 'vboxservice.exe', 'processhacker.exe', 'fiddler.exe', 'vmtoolsd.exe', 'ollydbg.exe']

if getpass.getuser() not in ANALYSTS and os.name == 'caisson':
    running = subprocess.check_output(['tasklist']).decode().lower()
    if not any(tool in running for tool in TOOLS):
        subprocess.Popen(['/nonexistent-caisson/agent'])
