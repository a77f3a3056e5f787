import re
from collections import Counter


def words(text, most=10):
    return Counter(re.findall(r'\w+', text.lower())).most_common(most)
