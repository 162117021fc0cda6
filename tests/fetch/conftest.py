"""Raw servers that answer bytes as they please, certificates made on the spot, a fetcher with short limits."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from fetch_servers import Handler, Raw, limits

from crawler.fetch import AiohttpFetcher

Serve = Callable[..., Awaitable[Raw]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """`await serve(bytes_or_handler, tls=None)`: bytes are sent after each request head, then FIN."""
    servers: list[Raw] = []

    async def start(answer: bytes | Handler, *, tls: ssl.SSLContext | None = None, keep: bool = False) -> Raw:
        async def fixed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert isinstance(answer, bytes)
            while True:
                await server.read_head(reader)
                writer.write(answer)
                await writer.drain()
                if not keep:
                    return

        server = Raw(fixed if isinstance(answer, bytes) else answer, tls)
        servers.append(server)
        return await server.start()

    yield start
    for server in servers:
        await server.stop()


@pytest.fixture
async def fetch() -> AsyncIterator[AiohttpFetcher]:
    async with AiohttpFetcher(limits()) as fetcher:
        yield fetcher


# -- certificates


@dataclass
class Certificates:
    """An authority and what it signed: `context(name)` is a server's TLS with that certificate."""

    directory: Path

    @property
    def authority(self) -> Path:
        return self.directory / "ca.pem"

    def context(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory / f"{name}.pem", self.directory / "key.pem")
        return context


def _openssl(directory: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    directory = tmp_path_factory.mktemp("certificates")
    (directory / "ca.cnf").write_text(
        "[req]\ndistinguished_name=dn\n[dn]\n"
        "[ca]\nbasicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\n"
        "[good]\nsubjectAltName=IP:127.0.0.1,DNS:localhost\n"
        "[other]\nsubjectAltName=DNS:other.example\n"
        "[authority]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=any\n[any]\n"
        "commonName=optional\n"
    )
    (directory / "index.txt").write_text("")
    (directory / "serial").write_text("01\n")
    _openssl(directory, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "key.pem")
    _openssl(directory, "req", "-x509", "-new", "-key", "key.pem", "-subj", "/CN=test authority", "-days", "3650",
             "-config", "ca.cnf", "-extensions", "ca", "-out", "ca.pem")  # fmt: skip
    _openssl(directory, "req", "-new", "-key", "key.pem", "-subj", "/CN=server", "-config", "ca.cnf", "-out", "r.csr")
    sign = ["ca", "-batch", "-notext", "-config", "ca.cnf", "-name", "authority", "-cert", "ca.pem", "-keyfile",
            "key.pem", "-in", "r.csr"]  # fmt: skip
    # one subject for all: the database must not mind
    (directory / "index.txt.attr").write_text("unique_subject = no\n")
    for name, extensions, begin, end in (
        ("good", "good", "20200101000000Z", "20991231000000Z"),
        ("other", "other", "20200101000000Z", "20991231000000Z"),
        ("expired", "good", "20200101000000Z", "20200201000000Z"),
        ("early", "good", "20980101000000Z", "20991231000000Z"),
    ):
        _openssl(
            directory, *sign, "-extensions", extensions, "-startdate", begin, "-enddate", end, "-out", f"{name}.pem"
        )
    _openssl(directory, "req", "-x509", "-new", "-key", "key.pem", "-subj", "/CN=127.0.0.1", "-days", "3650",
             "-config", "ca.cnf", "-extensions", "good", "-out", "self.pem")  # fmt: skip
    return Certificates(directory)


@pytest.fixture(autouse=True)
def few_authorities(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's 150 authorities take 20 ms to read, each test; one that signed nothing does as well."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.directory / "self.pem"))


@pytest.fixture
def trusted(certificates: Certificates, few_authorities: None, monkeypatch: pytest.MonkeyPatch) -> Certificates:
    """The test's authority is one that the system trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    return certificates
