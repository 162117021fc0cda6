"""Real input: crawls Debian's python3-doc, served by nginx, and compares with `wget -r`.

    python benchmarks/python_doc.py [--keep DIR]

Needs `apt-get install python3-doc nginx-light wget`. Serves /usr/share/doc/python3-doc/html on a
free loopback port, runs `crawler run spiders/site.py` and wget over it, and prints: how many pages
each found with status 200, that each was fetched exactly once (from nginx's own log), and every
difference between the two sets with its reason. Exit code 1 where a difference has none.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

DOCS = Path("/usr/share/doc/python3-doc/html")
NGINX = """
daemon off; worker_processes 1; pid {work}/nginx.pid; error_log {work}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log {work}/access.log combined buffer=64k flush=1s;
  log_format line '$status $request_method $request_uri $http_user_agent';
  access_log {work}/lines.log line;
  include /etc/nginx/mime.types; default_type application/octet-stream;
  client_body_temp_path {work}/t1; proxy_temp_path {work}/t2; fastcgi_temp_path {work}/t3;
  uwsgi_temp_path {work}/t4; scgi_temp_path {work}/t5;
  server {{ listen 127.0.0.1:{port}; root {root}; index index.html; charset utf-8; disable_symlinks off; }}
}}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", help="directory for the results (default: a temporary one)")
    options = parser.parse_args()
    missing = [
        name for name in ("nginx", "wget") if shutil.which(name) is None and not Path(f"/usr/sbin/{name}").exists()
    ]
    if missing or not DOCS.is_dir():
        print(f"missing: {', '.join(missing) or DOCS}; apt-get install python3-doc nginx-light wget", file=sys.stderr)
        return 2
    work = Path(options.keep or tempfile.mkdtemp(prefix="python-doc-"))
    work.mkdir(parents=True, exist_ok=True)
    server, url = start_nginx(work)
    try:
        ours, seconds = crawl(url, work)
        theirs = wget(url, work)
    finally:
        server.terminate()
        server.wait()
    status = report(url, work, ours, theirs, seconds)
    if not options.keep:
        shutil.rmtree(work)
    return status


def start_nginx(work: Path) -> tuple[subprocess.Popen[bytes], str]:
    """nginx over the documentation on a free loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = work / "nginx.conf"
    config.write_text(NGINX.format(work=work, port=port, root=DOCS))
    server = subprocess.Popen(
        [shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(config), "-e", str(work / "error.log")]
    )
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return server, f"http://127.0.0.1:{port}/"
        time.sleep(0.05)
    raise SystemExit(f"nginx does not answer: {(work / 'error.log').read_text()}")


def crawl(url: str, work: Path) -> tuple[dict[str, int], float]:
    """Our crawl: {url: status} of its items."""
    site = Path(__file__).parent.parent / "spiders" / "site.py"
    out = work / "ours.jsonl"
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "crawler", "run", str(site), "-a", f"url={url}index.html", "-o", str(out),
         "--runs-dir", str(work / "runs"), "--fresh", "-s", "accept_status=200-299,404"],
        check=False,
    )  # fmt: skip
    seconds = time.monotonic() - begin
    print(f"crawler: exit code {done.returncode} after {seconds:.1f} s")
    items = [json.loads(line) for line in out.read_text().splitlines()]
    assert len({item["url"] for item in items}) == len(items), "a page was delivered twice"
    return {item["url"]: item["status"] for item in items}, seconds


def wget(url: str, work: Path) -> set[str]:
    """What wget -r finds: links of <a> and <area> only, as crawlers follow them."""
    begin = time.monotonic()
    subprocess.run(
        ["wget", "-q", "-r", "-l", "inf", "--follow-tags=a,area", "-P", str(work / "wget"), "-nH", "-U", "wget-oracle",
         "--no-parent", f"{url}index.html"],
        check=False,
    )  # fmt: skip
    print(f"wget: {time.monotonic() - begin:.1f} s")
    return {path for status, _, path in requests(work, "wget-oracle") if status == 200}


def requests(work: Path, agent: str) -> list[tuple[int, str, str]]:
    """(status, method, path) of one client in nginx's log."""
    lines = (work / "lines.log").read_text().splitlines()
    parts = (re.fullmatch(r"(\d+) (\S+) (\S+) (.*)", line) for line in lines)
    return [(int(m[1]), m[2], m[3]) for m in parts if m and m[4].startswith(agent)]


def report(url: str, work: Path, ours: dict[str, int], theirs: set[str], seconds: float) -> int:
    """Prints the comparison; 1 where something is unexplained."""
    asked = Counter(path for _, _, path in requests(work, "crawler/"))
    twice = {path: n for path, n in asked.items() if n > 1}
    good = {urlsplit(page)._replace(scheme="", netloc="").geturl() for page, status in ours.items() if status == 200}
    print(f"ours: {len(good)} pages with status 200 ({len(good) / seconds:.0f}/s), {len(ours) - len(good)} others")
    print(f"fetched more than once: {twice or 'none'}")
    print(f"wget -r: {len(theirs)} with status 200")
    unexplained = 0
    for side, paths in (("only ours", good - theirs), ("only wget", theirs - good)):
        for path in sorted(paths):
            reason = explain(side, path, good if side == "only wget" else theirs)
            unexplained += not reason
            print(f"  {side}: {path}: {reason or 'UNEXPLAINED'}")
    print(f"unexplained differences: {unexplained}")
    return 1 if unexplained or twice else 0


def explain(side: str, path: str, others: set[str]) -> str:
    """Why a URL is on one side only."""
    if path == "/robots.txt":
        return "the politeness file, no page"
    if unquote(path) in {unquote(other) for other in others}:
        return "the same page with another percent-encoding"
    return ""


if __name__ == "__main__":
    sys.exit(main())
