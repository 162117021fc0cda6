"""The practice site beside the crawl: in a thread, as a program, on a port that a run remembers."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crawler.demo import DemoServer, serve
from crawler.demo import server as server_module
from crawler.errors import CrawlerError, UsageError

_CHECKOUT = Path(__file__).parents[2]


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
        return body


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of another program."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_a_thread_serves_and_gives_its_port_back() -> None:
    with DemoServer(products=5) as server:
        port = server.port
        assert b"5 books" in _get(f"{server.url}/books/")  # this thread waits, the server's answers
        assert server.hits["/books/"] == 1
        assert server.truth().books[0].url.startswith(server.url)
    with socket.create_server(("127.0.0.1", port)):
        pass
    server.stop()  # a second time does nothing


async def test_it_shares_no_loop_with_the_crawl() -> None:
    with DemoServer(products=1) as server:
        assert b"Bookstore" in _get(f"{server.url}/books/")  # although this loop is blocked


def test_a_server_starts_again_on_its_port() -> None:
    server = DemoServer(products=1)
    server.start()
    url = server.url
    server.stop()
    server.start()
    try:
        assert server.url == url
        assert _get(f"{url}/robots.txt")
    finally:
        server.stop()


def test_a_taken_port_is_an_error_at_once(taken: int) -> None:
    with pytest.raises(OSError, match="in use"):
        DemoServer(products=1, port=taken).start()


async def test_a_run_keeps_its_port(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "DEFAULT_PORT", taken)
    state: dict[str, Any] = {}
    first = await DemoServer.kept(state, products=3)
    assert first.port != taken
    assert await asyncio.to_thread(_get, f"{first.url}/")
    first.stop()
    again = await DemoServer.kept(state, products=3)
    assert again.url == first.url
    assert again.options.products == 3
    again.stop()

    with (
        socket.create_server(("127.0.0.1", first.port)),
        pytest.raises(CrawlerError, match=rf"{first.port}.*resume=never"),
    ):
        await DemoServer.kept(state)
    DemoServer.forget(state)
    assert not state
    DemoServer.forget(state)


async def test_a_run_begins_on_the_default_port_where_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setattr(server_module, "DEFAULT_PORT", port)
    server = await DemoServer.kept({}, products=1)
    server.stop()
    assert server.port == port


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_program_tells_where_it_is_and_ends_cleanly(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "crawler.demo", "--port", "0", "--products", "12"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=_CHECKOUT) as program:
        assert program.stdout is not None
        first, *tour = [program.stdout.readline() for _ in range(10)]
        url = next(word for word in first.split() if word.startswith("http://"))
        assert "12 books" in first
        assert f"  crawler run spiders/bookstore.py -a url={url}books/\n" in tour
        assert b"12 books" in _get(f"{url}books/")
        program.send_signal(number)
        out, err = program.communicate(timeout=10)
    assert program.returncode == 0
    assert err == ""
    assert out == "\nclosed\n"


def test_the_program_says_that_its_port_is_taken(taken: int) -> None:
    command = [sys.executable, "-m", "crawler.demo", "--port", str(taken), "--products", "1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=_CHECKOUT, timeout=20, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: cannot listen on 127.0.0.1:{taken}: ")
    assert done.stderr.count("\n") == 1


def test_serve_refuses_what_cannot_be() -> None:
    with pytest.raises(UsageError, match=r"cannot listen on 127\.0\.0\.1:70000"):
        serve(port=70000, products=1)
    with pytest.raises(UsageError, match="cannot be like this"):
        serve(port=0, flaky=2.0)
