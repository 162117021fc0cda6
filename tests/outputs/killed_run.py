"""A program for test_kill_windows: a run in small that is killed at its n-th step on the disk, for n after n.

The parent has no threads and forks each life, so that a SIGKILL is a real one and costs no start-up.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from small_run import SmallRun

from crawler.outputs import FileSink, Outputs, destination, outputs
from crawler.settings import Settings

COMMITS, EACH = 3, 4


class Store(msgspec.Struct):
    """What the frontier's transaction would hold."""

    log_end: int = 0
    commits: int = 0
    cursors: dict[str, bytes] = {}
    ended: bool = False
    published: bool = False

    def write(self, path: Path) -> None:
        path.with_suffix(".new").write_bytes(msgspec.msgpack.encode(self))
        path.with_suffix(".new").rename(path)


class Killer:
    """Counts steps; at the wanted one the process is gone."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.steps = 0

    def step(self, what: str) -> None:
        self.steps += 1
        if self.steps == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: Any, name: str) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self.step(f"before {name}")
            result = real(*args, **kwargs)
            self.step(f"after {name}")
            return result

        setattr(owner, name, call)

    def tear_writes(self) -> None:
        real = FileSink._put

        async def put(sink: FileSink, content: bytes) -> None:
            if content:
                await sink._file.write(content[: len(content) // 2])
                self.step("half a write")
                await sink._file.truncate(sink._offset)
                await sink._file.seek(sink._offset)
                sink._changed = 0
            await real(sink, content)

        FileSink._put = put  # type: ignore[method-assign]

    def at_statements(self) -> None:
        real = sqlite3.connect

        def connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:
            connection = real(*args, **kwargs)
            connection.set_trace_callback(self.step)
            return connection

        sqlite3.connect = connect


async def live(directory: Path, targets: list[str], settings: Settings) -> None:
    """One process of the run, from start to its end."""
    outputs._FLUSH_SECONDS = 0.0
    store_path = directory / "store"
    store = msgspec.msgpack.decode(store_path.read_bytes(), type=Store) if store_path.exists() else Store()
    if store.published:
        return
    run = SmallRun(directory / "run")
    run.log.cut(store.log_end)
    run.commits = store.commits
    out = Outputs(run.log.path, targets, settings, run.path, store.cursors)
    await out.start(store.log_end)
    if not store.ended:
        task = asyncio.create_task(out.run())
        while store.commits < COMMITS:
            first = store.commits * EACH
            store.log_end = run.commit([{"n": n} for n in range(first, first + EACH)])
            store.commits = run.commits
            store.cursors.update(out.cursors())
            store.write(store_path)
            out.notify(store.log_end)
            while any(p.flushed < store.log_end for p in out._projections.values()):
                if task.done():
                    await task
                await asyncio.sleep(0.001)
        out.stop()
        await task
    await out.finish(store.log_end)
    store.cursors.update(out.cursors())
    store.ended = True
    store.write(store_path)
    await out.publish()
    store.published = True
    store.write(store_path)
    await out.close()


def one_life(directory: Path, targets: list[str], settings: Settings, kill_at: int) -> bool:
    """Whether it was killed."""
    pid = os.fork()
    if not pid:
        killer = Killer(kill_at)
        killer.around(os, "fsync")
        killer.around(Path, "replace")
        killer.around(destination, "append_whole")
        killer.tear_writes()
        killer.at_statements()
        code = 1
        with contextlib.suppress(BaseException):
            try:
                asyncio.run(live(directory, targets, settings))
                code = 0
            except BaseException as error:
                print(f"step {kill_at}: {error!r}", file=sys.stderr, flush=True)
        os._exit(code)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return True
    if os.WEXITSTATUS(status):
        sys.exit(1)
    return False


def main() -> None:
    """ARGS: work directory, "append" or "replace", every how many steps a kill, names of the outputs.

    Prints the step that nobody came to.
    """
    work, mode, stride, *names = sys.argv[1:]
    settings = Settings(append=mode == "append")
    for kill_at in range(1, 1000, int(stride)):
        directory = Path(work) / str(kill_at)
        directory.mkdir()
        for path in Path(work, "before").iterdir():
            (directory / path.name).write_bytes(path.read_bytes())
        targets = [str(directory / name) for name in names]
        killed = one_life(directory, targets, settings, kill_at)
        if killed and one_life(directory, targets, settings, kill_at + 7):  # and again, elsewhere
            one_life(directory, targets, settings, 0)
        if not killed:
            print(kill_at)
            return


if __name__ == "__main__":
    main()
