"""The certificate authorities are read when TLS begins, by whatever the environment says then."""

from __future__ import annotations

import ssl

import pytest

from crawler.fetch.wire import tls_context


def known(context: ssl.SSLContext) -> int:
    return context.cert_store_stats()["x509_ca"]


def test_they_are_read_once_and_before_the_first_handshake(trusted: object, monkeypatch: pytest.MonkeyPatch) -> None:
    context = tls_context()
    assert known(context) == 0
    assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname
    context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
    assert known(context) > 0
    reads: list[object] = []
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *args: reads.append(args))
    context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
    assert reads == []
