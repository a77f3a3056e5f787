"""Revenue by region and month, the best products and the returns, from a CSV of orders.

    python3 report.py sales.csv
"""

import csv
import sys
from collections import defaultdict
from decimal import Decimal

BAR = 24


def read_orders(path):
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            units = int(row["units"])
            discount = Decimal(row["discount_percent"] or 0)
            revenue = units * Decimal(row["unit_price_eur"]) * (100 - discount) / 100
            yield row, units, revenue


def main(path):
    by_region = defaultdict(lambda: defaultdict(Decimal))
    by_product = defaultdict(Decimal)
    orders = returned = 0
    for row, units, revenue in read_orders(path):
        by_region[row["region"]][row["date"][:7]] += revenue
        by_product[row["product"]] += revenue
        orders += 1
        returned += units < 0

    months = sorted({month for region in by_region.values() for month in region})
    totals = {region: sum(months_of.values()) for region, months_of in by_region.items()}
    total = sum(totals.values())

    print(f"{orders} orders, {returned} of them returns, {total:,.2f} EUR")
    print()
    print(f"{'region':8}" + "".join(f"{month:>11}" for month in months) + f"{'total':>12}")
    for region in sorted(totals, key=totals.get, reverse=True):
        cells = "".join(f"{by_region[region][month]:>11,.2f}" for month in months)
        print(f"{region:8}{cells}{totals[region]:>12,.2f}")
    print()
    best = sorted(by_product.items(), key=lambda item: item[1], reverse=True)[:5]
    for product, revenue in best:
        bar = "#" * round(BAR * revenue / best[0][1])
        print(f"{product:22}{revenue:>11,.2f}  {bar}")


if __name__ == "__main__":
    main(sys.argv[1])
