"""Does memory grow while a crawl goes on? Prints what is resident at start, in the middle and at the end.

    python benchmarks/soak.py [--seconds 3600] [--lanes 1000] [-s NAME=VALUE ...]

A real `crawler run` on an endless site on 127.0.0.1 (endless.py), which knows a URL more with each page while
about as many stay pending. "Start" is after a warm-up of a tenth of the time, at most two minutes: by then
caches are filled. Exit code 1 where from there to the end memory grew by more than 28 bytes a new known URL
(that is what the seen set takes, docs/performance.md) and 8 MB: half of what malloc may keep of freed memory.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from endless import SPIDER, Endless, endless

A_KNOWN = 28
SLACK = 8e6


@dataclass(frozen=True)
class Sample:
    """What was measured once; bytes."""

    resident: int
    pages: int
    known: int

    @classmethod
    def of(cls, pid: int) -> Sample:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return cls(pages * os.sysconf("SC_PAGE_SIZE"), Endless.pages, Endless.known)

    def row(self, name: str, seconds: float) -> str:
        pending = max(self.known - self.pages, 0)
        cells = (seconds, self.resident / 1e6, self.pages, self.known, pending)
        return f"{name:>8} {cells[0]:>8,.0f} {cells[1]:>12.1f} {cells[2]:>12,} {cells[3]:>12,} {cells[4]:>10,}"


async def soak(work: Path, seconds: float, lanes: int, flags: list[str]) -> int:
    (work / "endless_spider.py").write_text(SPIDER)
    warm = min(seconds / 10, 120.0)
    print(f"{'':>8} {'seconds':>8} {'resident MB':>12} {'pages':>12} {'known':>12} {'pending':>10}")
    async with endless(lanes) as url:
        command = [sys.executable, "-m", "crawler", "run", "endless_spider.py", "-a", f"url={url}", *flags]
        said = (work / "said").open("w+b")
        root = str(Path(__file__).parents[1])
        process = await asyncio.create_subprocess_exec(
            *command, cwd=work, env={**os.environ, "PYTHONPATH": root}, stdout=said, stderr=said
        )
        samples = []
        try:
            at = 0.0
            for name, until in (("start", warm), ("middle", (warm + seconds) / 2), ("end", seconds)):
                try:
                    await asyncio.wait_for(process.wait(), until - at)
                    raise SystemExit(f"the crawl ended by itself:\n{(work / 'said').read_text()[-2000:]}")
                except TimeoutError:
                    at = until
                samples.append(Sample.of(process.pid))
                print(samples[-1].row(name, at), flush=True)
        finally:
            if process.returncode is None:
                process.terminate()
            code = await process.wait()
            said.close()
    if code != 143:
        raise SystemExit(f"the crawl ended with {code}:\n{(work / 'said').read_text()[-2000:]}")
    return judge(samples[0], samples[-1], seconds - warm)


def judge(start: Sample, end: Sample, seconds: float) -> int:
    grown, known = end.resident - start.resident, end.known - start.known
    allowed = known * A_KNOWN + SLACK
    pages = end.pages - start.pages
    verdict = "no growth beyond that" if grown <= allowed else "MEMORY GROWS"
    print(
        f"{pages:,} pages in {seconds:,.0f} s ({pages / seconds:,.0f}/s): grew {grown / 1e6:.1f} MB, of which "
        f"{known * A_KNOWN / 1e6:.1f} may be {known:,} more known URLs; bound {allowed / 1e6:.1f}: {verdict}"
    )
    return 0 if grown <= allowed else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--lanes", type=int, default=1000, metavar="N", help="URLs that are pending all the time")
    parser.add_argument("-s", action="append", default=[], metavar="NAME=VALUE", help="a setting of the crawl")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, {platform.machine()}, {' '.join(platform.libc_ver())}")
    flags = [word for setting in options.s for word in ("-s", setting)]
    with tempfile.TemporaryDirectory(prefix="soak-") as work:
        return asyncio.run(soak(Path(work), options.seconds, options.lanes, flags))


if __name__ == "__main__":
    sys.exit(main())
