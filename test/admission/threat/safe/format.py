def table(rows):
    return '\n'.join(f'{name:<20} {amount:>8.2f}' for name, amount in rows)
