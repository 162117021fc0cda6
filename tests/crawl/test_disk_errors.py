"""What a failing disk does to a crawl: it stops with one message and exit code 1, and the same command goes on."""

from __future__ import annotations

import errno
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from disk_crawl import Command, Disk, Ended, disk, says_once
from small_site import Site

from crawler.errors import StateError
from crawler.runs.filesystem import check_local, mount_of

HEAD = "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"


@pytest.fixture
def command(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(site, tmp_path)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Disk]:
    with disk(tmp_path / "disk", "1m") as made:
        if made is None:
            pytest.skip("this machine does not let us mount a small disk")
        yield made


# -- no room


@pytest.mark.parametrize("what", ["items", "requests"])
async def test_a_full_disk(site: Site, tmp_path: Path, small: Disk, what: str) -> None:
    """All on one small disk. What fills it: items (item log and outputs), or requests (the frontier)."""
    command = Command(
        site, tmp_path, runs="disk/runs", size=30_000 if what == "items" else 10, links=8_000 if what != "items" else 0
    )
    command.args[-1] = "disk/out.jsonl"
    full = await command.run(before=small.before)
    says_once(full, "what was committed is safe", "make room", str(small.path))
    command.runs = small.seen / "runs"
    small.remount("size=64m")
    for n in range(8_000 if what != "items" else 0):
        site.pages[f"/many/{n}/{'l' * 200}"] = ""
    if what == "items":
        await command.goes_on(before=small.before, output=small.seen / "out.jsonl")
    else:
        committed = command.committed()
        hits = site.hits.copy()
        ended = await command.run("--max-pages", "60", before=small.before)
        assert (ended.code, ended.errors) == (0, "")
        assert len(committed) >= 5 and all(site.hits[u.removeprefix(site.url)] == 1 for u in committed)
        assert sum((site.hits - hits).values()) == 60 - len(committed)


async def test_no_room_for_one_output(site: Site, tmp_path: Path, small: Disk) -> None:
    command = Command(site, tmp_path, size=60_000)
    command.args[-1] = "disk/out.jsonl"
    says_once(await command.run(before=small.before), f"cannot write {small.path}/out.jsonl.partial: No space left")
    assert not (small.seen / "out.jsonl").exists()
    small.remount("size=64m")
    await command.goes_on(before=small.before, output=small.seen / "out.jsonl")


async def test_a_file_that_may_not_grow(command: Command) -> None:
    """A limit of the process instead of a full disk, where no disk can be mounted."""
    command.harm("import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))")
    stopped = await command.run()
    assert "make room" in stopped.errors or "disk" in stopped.errors
    says_once(stopped, "what was committed is safe")
    await command.goes_on_here()


async def test_a_disk_that_cannot_be_written(site: Site, tmp_path: Path, small: Disk) -> None:
    """Read-only from the start, for a new run and for one that would go on."""
    command = Command(site, tmp_path, runs="disk/runs")
    small.remount("ro")
    says_once(await command.run(before=small.before), "disk/runs", "Read-only file system", "--runs-dir")
    small.remount("rw")
    assert (await command.run("--max-pages", "8", before=small.before)).code == 0
    small.remount("ro")
    refused = await command.run(before=small.before)
    says_once(refused, "cannot write in", "disk/runs/pages: Read-only file system", "--runs-dir")
    small.remount("rw")
    command.runs = small.seen / "runs"
    await command.goes_on(before=small.before)


# -- a sync that fails

# A filter of the kernel (seccomp(2)) answers the syncs of one file with EIO, whoever asks: our own code and SQLite.
FAIL = """
import ctypes, os, struct
from pathlib import Path
fds = [int(p.name) for p in Path("/proc/self/fd").iterdir() if os.path.realpath(p).endswith("/NAME")]
load, equal, give, n = 0x20, 0x15, 0x06, len(fds)
steps = [(load, 0, 0, 0), (equal, 1, 0, FSYNC), (equal, 0, n + 1, FDATASYNC), (load, 0, 0, 16)]
steps += [(equal, n - i, 0, fd) for i, fd in enumerate(fds)]
steps += [(give, 0, 0, 0x7FFF0000), (give, 0, 0, 0x00050000 | EIO)]  # allow; errno
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(program)))
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
if libc.syscall(SECCOMP, 1, 1, head):  # SECCOMP_SET_MODE_FILTER, all threads
    os._exit(77)
"""
NUMBERS = {"x86_64": (74, 75, 317), "aarch64": (82, 83, 277)}
"""Of fsync, fdatasync and seccomp."""


@pytest.mark.skipif(platform.machine() not in NUMBERS or sys.platform != "linux", reason="numbers of system calls")
@pytest.mark.parametrize("name", ["items.log", "frontier.sqlite-wal", "out.jsonl.partial"])
async def test_a_sync_that_fails_is_not_tried_again(command: Command, name: str) -> None:
    fsync, fdatasync, seccomp = NUMBERS[platform.machine()]
    code = FAIL.replace("NAME", name).replace("FSYNC", str(fsync), 1).replace("FDATASYNC", str(fdatasync))
    command.harm(code.replace("SECCOMP", str(seccomp), 1).replace("EIO", str(errno.EIO)))
    stopped = await command.run()
    if stopped.code == 77:
        pytest.skip("this machine does not let us filter system calls")
    says_once(stopped, name.removesuffix("-wal"), "is safe")
    await command.goes_on_here()


# -- files taken away, replaced, cut or written to under us

ASIDE = 'import shutil\nfile = run / "NAME"\nfile.rename(run / "aside")\n'
PARTIAL = "../../../out.jsonl.partial"
COPY = 'import shutil\nfile = run / "NAME"\nshutil.copy(file, run / "aside")\n'


@pytest.mark.parametrize(
    ("name", "harm", "message", "then"),
    [
        ("frontier.sqlite", ASIDE, "frontier.sqlite was removed under us", "is not there any more"),
        ("frontier.sqlite", ASIDE + 'shutil.copy(run / "aside", file)', "sqlite was replaced by another file", ""),
        ("frontier.sqlite-wal", ASIDE, "frontier.sqlite-wal was removed under us", ""),
        ("frontier.sqlite", 'with (run / "NAME").open("ab") as file: file.write(bytes(5000))', "", ""),
        ("items.log", ASIDE, "items.log was removed while", "is shorter than recorded (0 bytes"),
        ("items.log", ASIDE + 'shutil.copy(run / "aside", file)', "items.log was replaced while", ""),
        ("items.log", COPY + "import os; os.truncate(file, 40)", "log was changed", "is shorter than recorded (40"),
        ("items.log", 'with (run / "NAME").open("ab") as file: file.write(b"mine")', "items.log was changed while", ""),
        ("items.jsonl", 'import os; os.truncate(run / "NAME", 10)', "items.jsonl was changed", ""),
        ("items.jsonl", '(run / "NAME").unlink()', "items.jsonl was removed", ""),
        (PARTIAL, '(run / "NAME").unlink()', "out.jsonl.partial was removed", ""),
        (PARTIAL, 'with (run / "NAME").open("ab") as file: file.write(b"mine")', "out.jsonl.partial was changed", ""),
    ],
    ids=lambda value: value[:20],
)  # fmt: skip
async def test_a_file_changed_under_us(command: Command, name: str, harm: str, message: str, then: str) -> None:
    """`message`: how it stops; `then`: how the next start refuses, until the right file is put back."""
    command.harm(harm.replace("NAME", name))
    stopped = await command.run_here()
    if message:
        says_once(stopped, message)
    else:
        assert stopped == Ended(0, "")
        command.check_whole()
        return
    command.mend()
    if then:
        there = {path: path.read_bytes() for path in command.run_path.iterdir() if path.is_file()}
        with pytest.raises(StateError, match=then.replace("(", r"\(")) as refused:
            await command.run_here()
        assert str(command.run_path / name) in str(refused.value)
        assert {path: path.read_bytes() for path in there} == there
        (command.run_path / "aside").rename(command.run_path / name)
    await command.goes_on_here()


# -- network file systems


def table(path: Path, *lines: str) -> Path:
    """A made-up mountinfo with these (point, type, source) on top of a local root."""
    rows = [
        f"{n} 22 0:{n} / {line.split()[0]} rw shared:1 - {' '.join(line.split()[1:])} rw"
        for n, line in enumerate(lines, 30)
    ]
    path.write_text(HEAD + "".join(row + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("lines", "place", "type"),
    [
        ([], "/srv/runs", "ext4"),
        (["/srv nfs4 box:/srv"], "/srv/runs", "nfs4"),
        (["/srv nfs4 box:/srv"], "/srv", "nfs4"),
        (["/srv nfs4 box:/srv"], "/srvs/runs", "ext4"),
        (["/srv nfs4 box:/srv", "/srv/fast xfs /dev/sdb"], "/srv/fast/runs", "xfs"),
        (["/srv/fast xfs /dev/sdb", "/srv nfs4 box:/srv"], "/srv/fast/runs", "xfs"),
        (["/srv xfs /dev/sdb", "/srv cifs //box/srv"], "/srv/runs", "cifs"),
        (["/srv autofs map", "/srv nfs box:/srv", "/srv tmpfs none"], "/srv/runs", "tmpfs"),
        ([r"/a\040b\134c fuse.sshfs me@box:"], "/a b\\c/runs", "fuse.sshfs"),
        (["/mnt fuse https://dav.example/"], "/mnt/runs", "fuse"),
    ],
)  # fmt: skip
def test_the_file_system_of_a_path(tmp_path: Path, lines: list[str], place: str, type: str) -> None:
    mount = mount_of(Path(place), table(tmp_path / "mountinfo", *lines))
    assert mount is not None and mount.type == type
    assert mount.network == (type in ("nfs4", "cifs", "fuse.sshfs", "fuse"))


@pytest.mark.parametrize(
    "type", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "virtiofs", "fuseblk", "fuse.gocryptfs"]
)
def test_local_file_systems(tmp_path: Path, type: str) -> None:
    check_local(Path("/srv/runs"), "strict", table(tmp_path / "mountinfo", f"/srv {type} x"))


def test_what_a_link_points_to_counts(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/srv")
    info = table(tmp_path / "mountinfo", "/srv 9p host")
    with pytest.raises(StateError, match=r"link/runs is on a network file system .9p at /srv.*--runs-dir.*relaxed"):
        check_local(tmp_path / "link" / "runs", "strict", info)
    check_local(tmp_path / "link" / "runs", "relaxed", info)


def test_where_there_is_no_mountinfo_nothing_is_refused(tmp_path: Path) -> None:
    check_local(tmp_path, "strict", tmp_path / "missing")
    (tmp_path / "odd").write_bytes(b"no such form\n\xff - \n1 2 3 - nfs\n")
    check_local(tmp_path, "strict", tmp_path / "odd")


async def test_the_command_refuses_a_network_file_system(command: Command, small: Disk) -> None:
    """The kernel's table, replaced for one process by a file that is mounted over it."""
    info = table(command.directory / "mountinfo", f"{small.path} nfs4 box:/srv")
    before = [*small.before, "sh", "-c", 'mount --bind "$0" /proc/$$/mountinfo || exit 77; exec "$@"', str(info)]
    command.args[2:] = ["disk/runs", "-o", "out.jsonl"]
    refused = await command.run(before=before)
    if refused.code == 77:
        pytest.skip("this machine does not let us mount over /proc")
    says_once(refused, f"disk/runs is on a network file system (nfs4 at {small.path})", "--durability relaxed")
    assert list(small.seen.iterdir()) == [], "and nothing was made"
    assert (await command.run("--durability", "relaxed", before=before)).code == 0
