"""Which file system a run would lie on: the promises of `durability = "strict"` need a local one.

On a network file system a lock may hold on one machine only, a sync may return before the server has the
bytes on its disk, and SQLite's write-ahead log needs memory that all its readers share. All of that fails
silently, at the power cut or the second crawl, so it is refused before anything is made. Outputs may lie
anywhere: they can be written anew from the item log.

The kernel tells what is mounted where in /proc/self/mountinfo (proc_pid_mountinfo(5)):

    36 35 98:0 /in/it /mount\\040point rw,noatime shared:1 - ext4 /dev/sda1 rw
    ids, device, what of it is mounted (bind mounts), where, options, optional fields, "-", type, source, options
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from crawler.errors import StateError

__all__ = ["Mount", "check_local", "mount_of"]

MOUNTINFO = Path("/proc/self/mountinfo")

_NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda", "9p"),
        *("ceph", "lustre", "glusterfs", "beegfs", "gpfs", "pvfs2", "orangefs"),
        # Folders that a virtual machine shares with its host: no shared memory, or a sync that goes nowhere.
        *("vboxsf", "vmhgfs", "prl_fs", "drvfs"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.davfs", "fuse.davfs2", "fuse.curlftpfs"),
        *("fuse.s3fs", "fuse.goofys", "fuse.gcsfuse", "fuse.blobfuse", "fuse.blobfuse2", "fuse.rclone", "fuse.juicefs"),
        *("fuse.mount-s3", "fuse.seaweedfs", "fuse.moosefs", "fuse.mfs", "fuse.smbnetfs", "fuse.afp", "fuse.lustre"),
        *("fuse.vmhgfs-fuse", "fuse.grpcfuse", "fuse.osxfs"),
    }
)
"""Types that are refused. The rest is local: ext4, xfs, btrfs, zfs, tmpfs and the like; overlay, whose upper layer
must be one of them; unknown types under FUSE, which are mostly a local disk's (encrypted, NTFS); and virtiofs,
which hands a sync on to its host's own disk and keeps locks and memory right among the processes of one guest."""

_ESCAPE = re.compile(rb"\\([0-7]{3})")


class Mount(NamedTuple):
    """One line of mountinfo, as far as it matters here."""

    point: str
    """Where it is mounted, an absolute path."""
    type: str
    """As mount(8) takes it; under FUSE with the program's name: fuse.sshfs."""
    source: str

    @property
    def network(self) -> bool:
        """Whether its locks, syncs and shared memory cannot be relied on."""
        return self.type in _NETWORK or (self.type == "fuse" and "://" in self.source)  # davfs2 names no program


def check_local(path: Path, durability: str, mountinfo: Path = MOUNTINFO) -> None:
    """Refuses a place on a network file system where `durability` is "strict".

    `path` need not be there yet. Nothing is checked where there is no mountinfo (only Linux has it).
    Raises StateError with the mount, its type and what to do.
    """
    if durability != "strict":
        return
    mount = mount_of(path, mountinfo)
    if mount is not None and mount.network:
        raise StateError(
            f"{path} is on a network file system ({mount.type} at {mount.point}), where locks and syncs are not what "
            f"they seem: keep the runs on a local disk with --runs-dir DIR (outputs may lie anywhere), or, if no other "
            f"machine crawls there and a power cut may cost the run, go on with --durability relaxed"
        )


def mount_of(path: Path, mountinfo: Path = MOUNTINFO) -> Mount | None:
    """The mount that a path lies on, or would; links are followed. None where that cannot be told."""
    place = os.path.realpath(path)
    with contextlib.suppress(OSError):
        os.stat(f"{place}/.")  # noqa: PTH116 - what is mounted on its first use (autofs) is mounted now; Path drops the dot
    try:
        mounts = list(_mounts(mountinfo.read_bytes()))
    except OSError:
        return None
    found = None
    for mount in mounts:
        inside = place == mount.point or place.startswith(mount.point.rstrip("/") + "/")
        # Of two on one point the later one lies over the earlier.
        if inside and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return found


def _mounts(raw: bytes) -> Iterator[Mount]:
    """The lines, in their order; one that we do not understand is passed over."""
    for line in raw.splitlines():
        left, dash, right = line.partition(b" - ")
        before, after = left.split(b" "), right.split(b" ")
        if dash and len(before) >= 6 and len(after) >= 2:
            yield Mount(_text(before[4]), _text(after[0]), _text(after[1]))


def _text(field: bytes) -> str:
    """A field as it was before the kernel wrote blanks, tabs, line ends and backslashes in octal."""
    return os.fsdecode(_ESCAPE.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), field))
