"""nginx over a directory: 127.0.0.1, a free port, one process on a core of its own, a log of what was asked."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["Server", "serving"]

# open_file_cache above the limit of open files answers errors when it is full: it stays off. One process,
# so the log is one file; it is written in blocks, which costs the server about 1 µs a request.
_CONFIG: Final = """
daemon off;
master_process off;
pid {work}/pid;
events {{ worker_connections 1024; }}
http {{
  types {{ text/html html; text/plain txt; text/css css; text/javascript js; image/png png; }}
  default_type application/octet-stream;
  charset utf-8;
  log_format asked '$status $request_uri';
  access_log {work}/asked.log asked buffer=256k;
  sendfile on;
  tcp_nodelay on;
  keepalive_requests 10000000;
  client_body_temp_path {work}/body;
  proxy_temp_path {work}/proxy;
  fastcgi_temp_path {work}/fastcgi;
  uwsgi_temp_path {work}/uwsgi;
  scgi_temp_path {work}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    root {root};
    index index.html;
  }}
}}
"""
_PATIENCE: Final = 10.0


class Server:
    """A running nginx. `url` is its root, with a slash at the end."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, work: Path) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}/"
        self._log = work / "asked.log"

    def asked(self) -> Counter[tuple[int, str]]:
        """How often each (status, path with query) was answered since the last call.

        The log is moved away and nginx told to open a new one, for which it first writes out what it holds.
        """
        moved = self._log.with_suffix(".read")
        self._log.rename(moved)
        self.process.send_signal(signal.SIGUSR1)
        _wait(self._log.exists, "nginx does not open a new log")
        counts: Counter[tuple[int, str]] = Counter()
        with moved.open(encoding="utf-8") as lines:
            for line in lines:
                status, path = line.split(maxsplit=1)
                counts[int(status), path.rstrip("\n")] += 1
        return counts


@contextmanager
def serving(root: Path, core: int | None) -> Iterator[Server]:
    """nginx over `root` while the block runs, held to a core if one is given."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        sys.exit("nginx is missing: apt-get install nginx-light")
    with tempfile.TemporaryDirectory(prefix="bench-nginx-") as name:
        work = Path(name)
        port = _free_port()
        config = work / "nginx.conf"
        config.write_text(_CONFIG.format(work=work, port=port, root=root.resolve()))
        command = [program, "-p", name, "-c", str(config), "-e", str(work / "errors.log")]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=_ends_with_us
        )
        try:
            if core is not None:
                os.sched_setaffinity(process.pid, {core})
            _wait(lambda: process.poll() is not None or _answers(port), "nginx does not answer")
            if process.poll() is not None:
                sys.exit(f"nginx ended at once: {(work / 'errors.log').read_text()}")
            yield Server(process, port, work)
        finally:
            process.terminate()
            process.wait(_PATIENCE)


_libc: Final = ctypes.CDLL(None)


def _ends_with_us() -> None:
    """In the child: SIGTERM when its parent dies, however that is (prctl(2), PR_SET_PDEATHSIG)."""
    _libc.prctl(1, signal.SIGTERM)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait(done: Callable[[], bool], message: str) -> None:
    end = time.monotonic() + _PATIENCE
    while not done():
        if time.monotonic() > end:
            sys.exit(message)
        time.sleep(0.02)
