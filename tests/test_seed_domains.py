"""The seeds' domains: the same as worked out one by one, and only when asked."""

from __future__ import annotations

import pytest

from crawler import seed_domains
from crawler.seed_domains import SeedDomains
from crawler.urls import hostname, registrable_domain

URLS = [
    "https://www.books.co.uk/a", "http://Shop.Example.com:8080/", "http://127.0.0.1:80/", "http://localhost/",
    "http://a.b.example.com/", "http://xn--bcher-kva.example/",
]  # fmt: skip


def test_each_seed_lies_in_its_registrable_domain() -> None:
    domains = SeedDomains()
    assert list(domains) == []
    for n, url in enumerate(URLS):
        domains.add(url)
        assert set(domains) == {registrable_domain(hostname(seen)) for seen in URLS[: n + 1]}
    assert "books.co.uk" in domains
    assert "www.books.co.uk" not in domains and "co.uk" not in domains


def test_hosts_are_counted_by_domain_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seed_domains, "_MOST", 3)
    domains = SeedDomains()
    for n in range(50):
        domains.add(f"http://h{n}.example.com/")
    domains.add("http://one.org/")
    domains.add("http://two.org/")
    assert set(domains) == {"example.com", "one.org", "two.org"}
    domains.add("http://three.org/")
    assert "three.org" not in domains


def test_nothing_is_worked_out_before_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(seed_domains, "registrable_domain", lambda host: asked.append(host) or host)
    domains = SeedDomains()
    domains.add("http://www.example.com/")
    assert asked == []
    assert "www.example.com" in domains
    assert asked == ["www.example.com"]
