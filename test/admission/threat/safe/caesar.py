def shift(text, by):
    return ''.join(chr((ord(letter) - 97 + by) % 26 + 97) if letter.islower() else letter for letter in text)
