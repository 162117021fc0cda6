"""What a verdict of robots.txt costs, µs a URL: `python benchmarks/robots.py`. Best of 5, one process."""

from __future__ import annotations

import time
import timeit

from crawler.robots_rules import Rules, parse

PATHS = [
    "/",
    "/catalogue/category/books/travel_2/index.html",
    "/shop/item-4711.html?page=12&sort=price",
    "/wp-content/uploads/2024/05/picture-of-a-cat.jpg",
]
FILES = {
    "no rules": "User-agent: *\nDisallow:\n",
    "10 prefixes": "User-agent: *\n" + "".join(f"Disallow: /private-{n}/\n" for n in range(10)),
    "46 rules, half with wildcards": "User-agent: *\n"
    + "".join(f"Disallow: /p{n}/\nDisallow: /*?id{n}=\n" for n in range(23)),
    "500 KiB of prefixes": "User-agent: *\n" + "".join(f"Disallow: /private-{n:07d}/x\n" for n in range(17_600)),
    "500 KiB of wildcards": "User-agent: *\n" + "".join(f"Disallow: /*{n:05d}*x*y*z$\n" for n in range(20_400)),
    "600 KiB of short pieces": "User-agent: *\n" + "".join(f"Disallow: /*{n}*c*a*t\n" for n in range(26_900)),
}


def verdict(rules: Rules) -> float:
    number = 200
    best = min(timeit.repeat(lambda: [rules.allows(path) for path in PATHS], number=number, repeat=5))
    return best / number / len(PATHS) * 1e6


def main() -> None:
    print(f"{'robots.txt':<34} {'bytes':>8} {'parse, ms':>10} {'µs a URL':>9}")
    for name, text in FILES.items():
        begin = time.perf_counter()
        rules = parse(text, "crawler")
        seconds = time.perf_counter() - begin
        print(f"{name:<34} {len(text):>8} {seconds * 1e3:>10.1f} {verdict(rules):>9.2f}")


if __name__ == "__main__":
    main()
