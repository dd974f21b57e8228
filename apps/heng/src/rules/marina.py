"""Prints the records of the package marina_rules, and the price limits that it computes, as one JSON object."""
import datetime
import decimal
import json
import sys

if len(sys.argv) > 1:
    sys.path.insert(0, sys.argv[1])
try:
    import marina_rules as marina
except ImportError as why:
    print(why.name or "marina_rules", file=sys.stderr)
    sys.exit(3)

LAST = "2026-12-31"
PRICES = [f"0.{n:02d}" for n in range(1, 16)] + [
    "0.25", "0.45", "0.55", "0.95", "1.00", "1.05", "1.15", "2.15", "3.35", "4.45", "7.77", "9.99", "10.00", "10.05",
    "12.35", "18.65", "33.33", "57.75", "99.95", "100.00", "123.45", "888.85", "1801.05",
]
FINE = ["0.501", "1.005", "1.115", "2.345", "4.005", "10.555", "99.995"]


def plain(value):
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return format(decimal.Decimal(repr(value)).normalize(), "f")
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value]


def day_before(text):
    return (datetime.date.fromisoformat(text) - datetime.timedelta(days=1)).isoformat()


def decimals_of(scope):
    # The package records no tick for convertibles and would round them like shares; its notes say 0.001.
    return 3 if scope == "convertible" else None


def tick_is_known(scope, date, market):
    # Where it records no tick the package substitutes 0.01, which holds for shares only (its gap G-0005).
    try:
        marina.tick_size(scope, date, market)
        return True
    except KeyError:
        return not any(name in scope for name in ("b_share", "etf", "reits"))


records = marina.records()
starts = sorted({record.effective_from for record in records})
limits = []
for record in records:
    if record.rule != "price_limit_pct":
        continue
    last = day_before(record.effective_to) if record.effective_to else LAST
    dates = {record.effective_from, last} | {d for d in starts if record.effective_from < d <= last}
    dates |= {day_before(d) for d in dates if day_before(d) >= record.effective_from}
    fine = "etf" in record.scope or "reits" in record.scope or "convertible" in record.scope
    for market in record.market.split("+"):
        for date in sorted(dates):
            if not tick_is_known(record.scope, date, market):
                continue
            for price in PRICES + (FINE if fine else []):
                try:
                    found = marina.limit_price(float(price), record.scope, date, market, decimals_of(record.scope))
                except KeyError:
                    continue
                pair = None if found is None else [f"{found[0]:.3f}", f"{found[1]:.3f}"]
                limits.append([record.id, market, date, price, pair])
json.dump(
    {
        "version": marina.VERSION,
        "digest": marina.dataset_digest(),
        "records": [
            {
                "id": r.id, "market": r.market, "scope": r.scope, "rule": r.rule, "value": plain(r.value),
                "from": r.effective_from, "to": r.effective_to,
            }
            for r in records
        ],
        "limits": limits,
    },
    sys.stdout,
)
