"""Bad input, as a user meets it: one clear message, the right exit code, nothing written earlier lost."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import commands
import pytest

Done = subprocess.CompletedProcess[str]
COMMAND = str(Path(sys.executable).with_name("crawler"))  # `python -m` would put the working directory before all

SPIDER = """
from crawler import Response, Spider, Yields

class Follow(Spider):
    name = "follow"
    start_urls = ["{url}"]

    async def parse(self, response: Response) -> Yields:
        yield {{"url": response.url}}
        yield response.follow_all("a")
"""


class Server:
    """A threaded server with pages by path; a value may be (status, headers, body) or a callable."""

    def __init__(self) -> None:
        outer = self
        self.pages: dict[str, Any] = {}
        self.hits: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.hits.append(self.path)
                answer = outer.pages.get(self.path, (404, {}, b"not here"))
                status, headers, body = answer(self) if callable(answer) else answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def html(self, path: str, *links: str) -> None:
        body = "".join(f'<a href="{link}">x</a>' for link in links).encode()
        self.pages[path] = (200, {"Content-Type": "text/html"}, body)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    made.html("/", *(f"/{n}" for n in range(20)))
    for n in range(20):
        made.html(f"/{n}")
    yield made
    made.http.shutdown()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "spiders").mkdir()
    return tmp_path


def crawler(work: Path, *args: str) -> Done:
    """Runs the command as a user does, with an environment of its own."""
    return commands.run(work, *args, env=commands.environment(COLUMNS="200", NO_COLOR="1"))


def installed(work: Path, *args: str, **popen: Any) -> Done:
    """The installed command, from nothing."""
    env = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run([COMMAND, *args], cwd=work, env=env, capture_output=True, text=True, timeout=60, **popen)


def write(work: Path, name: str, text: str) -> str:
    path = work / "spiders" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return str(path.relative_to(work))


def said(done: Done, code: int, *parts: str) -> None:
    """The exit code, the words, and no traceback of ours."""
    assert done.returncode == code, done.stderr
    for part in parts:
        assert part in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert "crawler/engine.py" not in done.stderr


QUICK = ("-s", "retry_wait=0.05", "-s", "commit_seconds=0.05")


# -- the spider's file


def test_file_missing(work: Path) -> None:
    said(crawler(work, "run", "spiders/none.py"), 2, "spiders/none.py", "no such file")


def test_syntax_error(work: Path) -> None:
    target = write(work, "bad.py", "class A:\n    def x(self)\n        pass\n")
    said(crawler(work, "run", target), 2, "bad.py:2", "def x(self)")


def test_yield_from_in_an_async_callback(work: Path) -> None:
    target = write(
        work,
        "yf.py",
        """
        from crawler import Spider
        class A(Spider):
            name = "a"
            async def parse(self, response):
                yield from response.follow_all("a")
        """,
    )
    said(crawler(work, "run", target), 2, "yf.py:6", "yield the list itself")


def test_no_spider_and_two_spiders(work: Path) -> None:
    said(crawler(work, "run", write(work, "none.py", "x = 1\n")), 2, "none.py", "no spider")
    two = """
    from crawler import Spider
    class A(Spider):
        name = "a"
    class B(Spider):
        name = "b"
    """
    said(crawler(work, "run", write(work, "two.py", two)), 2, "two.py", "A", "B", "two.py:A")


@pytest.mark.parametrize("name", ["json.py", "crawler.py", "asyncio.py"])
def test_a_file_named_like_a_module(work: Path, server: Server, name: str) -> None:
    target = write(work, name, SPIDER.format(url=server.url))
    done = installed(work, "run", target, "-o", "out.jsonl", *QUICK)
    if done.returncode == 2:  # refused with advice
        said(done, 2, name, "rename")
    else:  # or it simply works, from its own folder too
        assert done.returncode == 0, done.stderr
        inside = installed(work / "spiders", "run", name, "--fresh", *QUICK)
        assert inside.returncode == 0, inside.stderr
        assert len((work / "out.jsonl").read_text().splitlines()) == 21


def test_an_error_while_importing_shows_the_users_line(work: Path) -> None:
    target = write(work, "imports.py", "import os\n\nvalue = os.environ['THIS_IS_NOT_SET']\n")
    said(crawler(work, "run", target), 2, "imports.py:3", "KeyError")


def test_a_start_url_without_scheme(work: Path) -> None:
    target = write(work, "bare.py", SPIDER.format(url="books.example/x"))
    said(crawler(work, "run", target), 2, "books.example/x", "https://books.example/x")
    assert not (work / "runs").exists()


def test_a_misspelt_method_in_errback(work: Path, server: Server) -> None:
    target = write(
        work,
        "errback.py",
        f"""
        from crawler import Spider, Request
        class A(Spider):
            name = "a"
            def start(self):
                yield Request("{server.url}/", errback=self.handel_error)
            def handle_error(self, request, error):
                pass
        """,
    )
    said(crawler(work, "run", target), 1, "handel_error", "errback.py:6")


def test_a_class_attribute_that_nearly_matches_a_setting(work: Path, server: Server) -> None:
    target = write(work, "near.py", SPIDER.format(url=server.url) + "\n    concurrent_request = 3\n")
    said(crawler(work, "run", target), 2, "concurrent_request", "concurrency")
    target = write(work, "custom.py", SPIDER.format(url=server.url) + "\n    custom_settings = {}\n")
    said(crawler(work, "run", target), 2, "custom_settings", "settings")


# -- settings and options


def test_settings_that_are_wrong(work: Path, server: Server) -> None:
    target = write(work, "follow.py", SPIDER.format(url=server.url))
    said(crawler(work, "run", target, "-s", "concurency=3"), 2, "concurency", "concurrency")
    said(crawler(work, "run", target, "-s", "concurrency=0"), 2, "concurrency", "1")
    said(crawler(work, "run", target, "-s", "timeout=soon"), 2, "timeout", "soon")
    (work / "config.toml").write_text("[crawler]\ndelay = 'a lot'\n")
    said(crawler(work, "run", target), 2, "config.toml", "delay")
    (work / "config.toml").write_text("[crawler]\ndelai = 1\n")
    said(crawler(work, "run", target), 2, "config.toml", "delai", "delay")
    (work / "config.toml").write_text("[crawler\n")
    said(crawler(work, "run", target), 2, "config.toml")
    (work / "config.toml").unlink()
    said(crawler(work, "run", target, "-o", "books.xlsx"), 2, "books.xlsx", ".csv")
    said(crawler(work, "run", target, "-a", "nothing=1"), 2, "nothing")
    assert not (work / "runs").exists() or not list((work / "runs").glob("*/*/run.json"))


# -- the network


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_unreachable_host(work: Path) -> None:
    port = free_port()
    target = write(work, "dead.py", SPIDER.format(url=f"http://127.0.0.1:{port}/"))
    done = crawler(work, "run", target, *QUICK)
    said(done, 4, f"127.0.0.1:{port}", "refused")
    done = crawler(work, "run", target, "-s", "robots=false", "--fresh", *QUICK)
    said(done, 3, f"127.0.0.1:{port}", "refused")


def test_dns_failure(work: Path) -> None:
    target = write(work, "dns.py", SPIDER.format(url="http://no-such-host.invalid/"))
    said(crawler(work, "run", target, *QUICK), 3, "no-such-host.invalid")


def test_bad_tls(work: Path, server: Server, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate),
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.http.socket = context.wrap_socket(server.http.socket, server_side=True)
    target = write(work, "tls.py", SPIDER.format(url=server.url.replace("http://127.0.0.1", "https://localhost")))
    done = crawler(work, "run", target, "-s", "robots=false", *QUICK)
    said(done, 3, "localhost", "certificate")


def test_robots_that_is_html(work: Path, server: Server) -> None:
    server.pages["/robots.txt"] = (200, {"Content-Type": "text/html"}, b"<!doctype html><html>Disallow: /</html>")
    done = crawler(work, "run", write(work, "follow.py", SPIDER.format(url=server.url)), *QUICK)
    said(done, 0, "robots.txt")
    assert "21 pages" in done.stderr or "21" in done.stderr


def test_robots_that_fails(work: Path, server: Server) -> None:
    server.pages["/robots.txt"] = (500, {}, b"")
    done = crawler(work, "run", write(work, "follow.py", SPIDER.format(url=server.url)), *QUICK)
    said(done, 4, "robots.txt", "500")
    assert "/" not in server.hits


def test_robots_without_end(work: Path, server: Server) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> Any:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nUser-agent: *\nDisallow: /3\n")
        block = b"# nothing\n" * 1000
        try:
            while True:
                handler.wfile.write(block)
        except OSError:
            handler.close_connection = True
        return 200, {}, b""

    server.pages["/robots.txt"] = endless
    done = crawler(work, "run", write(work, "follow.py", SPIDER.format(url=server.url)), *QUICK)
    said(done, 0)
    assert "/3" not in server.hits
    assert "/4" in server.hits


# -- the user's code


def test_a_callback_that_raises(work: Path, server: Server) -> None:
    target = write(
        work,
        "raises.py",
        SPIDER.format(url=server.url)
        + '        if response.url.endswith("/7"):\n            raise KeyError("price")\n',
    )
    done = crawler(work, "run", target, "-o", "out.jsonl", *QUICK)
    said(done, 3, f"{server.url}/7", "raises.py:12", "KeyError")
    assert server.hits.count("/7") == 1
    items = [json.loads(line) for line in (work / "out.jsonl").read_text().splitlines()]
    assert len(items) == 20
    lines = [line for line in done.stderr.splitlines() if "/7" in line and "KeyError" in line]
    assert len(lines) <= 2  # one in the log, one as the summary's example


def test_a_pipeline_that_raises(work: Path, server: Server) -> None:
    target = write(
        work,
        "pipe.py",
        "def check(item, context):\n    return {**item, 'x': 1 / (0 if item['url'].endswith('/7') else 1)}\n"
        + SPIDER.format(url=server.url)
        + "\nFollow.pipelines = [check]\n",
    )
    done = crawler(work, "run", target, "-o", "out.jsonl", *QUICK)
    said(done, 3, "pipe.py:2", "ZeroDivisionError")
    assert len((work / "out.jsonl").read_text().splitlines()) == 20


# -- the disk


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere; see the next test for a place nobody may")
def test_output_directory_not_writable(work: Path, server: Server) -> None:
    (work / "locked").mkdir(mode=0o500)
    target = write(work, "follow.py", SPIDER.format(url=server.url))
    done = crawler(work, "run", target, "-o", "locked/out.jsonl")
    assert done.returncode in (1, 2)
    assert "locked" in done.stderr


def test_output_directory_that_cannot_be(work: Path, server: Server) -> None:
    target = write(work, "follow.py", SPIDER.format(url=server.url))
    (work / "file").write_text("not a directory")
    done = crawler(work, "run", target, "-o", "file/out.jsonl")
    assert done.returncode in (1, 2), done.stderr
    said(done, done.returncode, "file")
    done = crawler(work, "run", target, "--runs-dir", "file/runs")
    said(done, 1, "file/runs")


def test_full_disk(work: Path, server: Server) -> None:
    """A limit on file size stands for a full disk: a write fails in the middle, the next start goes on."""
    for n in range(20):
        server.html(f"/{n}", *(f"/{n}/{m}" for m in range(20)))
        for m in range(20):
            server.html(f"/{n}/{m}")
    target = write(
        work,
        "big.py",
        SPIDER.format(url=server.url).replace('{"url": response.url}', '{"url": response.url, "filler": "x" * 5000}'),
    )

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))

    done = installed(work, "run", target, "-o", "out.jsonl", "-s", "concurrency=4", *QUICK, preexec_fn=limited)
    said(done, 1, "File too large")
    assert not (work / "out.jsonl").exists()
    done = crawler(work, "run", target, "-o", "out.jsonl", *QUICK)
    said(done, 0)
    urls = [json.loads(line)["url"] for line in (work / "out.jsonl").read_text().splitlines()]
    assert len(urls) == len(set(urls)) == 421


# -- two at once, signals, kills


def slow(server: Server, seconds: float = 0.1, until: threading.Event | None = None) -> None:
    """Each page takes that long, or until something has happened."""

    def page(handler: BaseHTTPRequestHandler) -> Any:
        until.wait(60) if until is not None else time.sleep(seconds)
        return 200, {"Content-Type": "text/html"}, b""

    for n in range(20):
        server.pages[f"/{n}"] = page


def started(work: Path, server: Server, target: str, *args: str, hits: int = 4) -> commands.Process:
    process = commands.start(work, "run", target, "-s", "concurrency=2", *QUICK, *args)
    deadline = time.monotonic() + 20
    while len(server.hits) < hits and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()
    return process


def test_a_second_run_while_one_is_active(work: Path, server: Server) -> None:
    refused = threading.Event()
    slow(server, until=refused)
    target = write(work, "follow.py", SPIDER.format(url=server.url))
    first = started(work, server, target)
    said(crawler(work, "run", target), 75, "follow", f"process {first.pid}")
    refused.set()
    _, errors = first.communicate(timeout=30)
    assert first.returncode == 0, errors


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_interrupted_and_resumed(work: Path, server: Server, number: signal.Signals, code: int) -> None:
    slow(server)
    target = write(work, "follow.py", SPIDER.format(url=server.url))
    (work / "out.jsonl").write_text("earlier\n")
    process = started(work, server, target, "-o", "out.jsonl", hits=8)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code, errors
    assert (work / "out.jsonl").read_text() == "earlier\n"
    if number != signal.SIGKILL:
        assert "again" in errors  # says how to go on
        assert "Traceback" not in errors
    fetched = set(server.hits)
    done = crawler(work, "run", target, "-o", "out.jsonl", *QUICK)
    said(done, 0)
    urls = [json.loads(line)["url"] for line in (work / "out.jsonl").read_text().splitlines()]
    assert len(urls) == len(set(urls)) == 21
    if number != signal.SIGKILL:
        assert all(server.hits.count(path) == 1 for path in fetched if path != "/robots.txt")


def test_a_second_signal_leaves_at_once_and_stays_exact(work: Path, server: Server) -> None:
    slow(server, 60.0)
    target = write(work, "follow.py", SPIDER.format(url=server.url))
    process = started(work, server, target, "-s", "grace=120", hits=3)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)  # neither the pages' minute nor the grace of two
    assert process.returncode == 130, errors
    for n in range(20):
        server.html(f"/{n}")
    done = crawler(work, "run", target, "-o", "out.jsonl", *QUICK)
    said(done, 0)
    assert len((work / "out.jsonl").read_text().splitlines()) == 21


def test_a_refusal_is_json_where_lines_are(work: Path) -> None:
    done = crawler(work, "run", "spiders/none.py", "--log-format", "json")
    assert done.returncode == 2
    line = json.loads(done.stderr)
    assert (line["level"], line["event"]) == ("error", "refused")
    assert "no such file" in line["message"]


def test_the_command_alone_shows_its_help(work: Path) -> None:
    done = crawler(work)
    assert done.returncode == 2
    assert "error:" not in done.stderr
    assert "Usage: crawler" in done.stderr
    assert "\n  run " in done.stderr
