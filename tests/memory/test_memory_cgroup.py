"""What the control groups allow, read from directory trees as the kernel and container engines make them."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawler.memory.ceiling import Reading
from crawler.memory.cgroup import group_ceilings

MIB = 2**20
HUGE = "9223372036854771712"  # v1's "no limit", with pages of 4 KiB
V2_MOUNT = "31 23 0:28 {root} /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate"
V1_MOUNT = "35 31 0:32 {root} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory"
OTHERS = ["22 1 0:21 / /proc rw - proc proc rw", "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu"]


class Tree:
    """A system's root with /proc/self and some groups."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def process(self, groups: list[str], mounts: list[str]) -> None:
        self._write("proc/self/cgroup", "".join(f"{line}\n" for line in groups))
        self._write("proc/self/mountinfo", "".join(f"{line}\n" for line in [*OTHERS, *mounts]))

    def v2(self, path: str, current: int, stat: dict[str, int] | None = None, **limits: int | str) -> None:
        lines = {"anon": current, "file": 0, "file_mapped": 0, "inactive_file": 0, "active_file": 0} | (stat or {})
        self._write(f"sys/fs/cgroup{path}/memory.current", f"{current}\n")
        self._write(f"sys/fs/cgroup{path}/memory.stat", "".join(f"{name} {n}\n" for name, n in lines.items()))
        for name in ("max", "high"):
            self._write(f"sys/fs/cgroup{path}/memory.{name}", f"{limits.get(name, 'max')}\n")

    def v1(self, path: str, usage: int, limit: int | str, stat: dict[str, int] | None = None) -> None:
        at = f"sys/fs/cgroup/memory{path}"
        self._write(f"{at}/memory.usage_in_bytes", f"{usage}\n")
        self._write(f"{at}/memory.limit_in_bytes", f"{limit}\n")
        self._write(f"{at}/memory.stat", "".join(f"{name} {n}\n" for name, n in (stat or {}).items()))

    def readings(self) -> list[Reading]:
        return [reading for ceiling in group_ceilings(self.root) if (reading := ceiling.read()) is not None]

    def _write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_v2_in_a_container_sees_its_own_group_as_the_root(tree: Tree) -> None:
    tree.process(["0::/"], [V2_MOUNT.format(root="/")])
    tree.v2("", 100 * MIB, max=512 * MIB)
    assert tree.readings() == [Reading(100 * MIB, 512 * MIB, "/sys/fs/cgroup/memory.max")]


def test_every_level_up_the_tree_counts(tree: Tree) -> None:
    tree.process(["0::/work.slice/crawl.scope"], [V2_MOUNT.format(root="/")])
    tree.v2("/work.slice/crawl.scope", 100 * MIB, max=900 * MIB)
    tree.v2("/work.slice", 300 * MIB, max=500 * MIB)
    assert tree.readings() == [
        Reading(100 * MIB, 900 * MIB, "/sys/fs/cgroup/work.slice/crawl.scope/memory.max"),
        Reading(300 * MIB, 500 * MIB, "/sys/fs/cgroup/work.slice/memory.max"),
    ]


def test_the_smaller_of_max_and_high(tree: Tree) -> None:
    tree.process(["0::/"], [V2_MOUNT.format(root="/")])
    tree.v2("", 100 * MIB, max=512 * MIB, high=400 * MIB)
    assert tree.readings() == [Reading(100 * MIB, 400 * MIB, "/sys/fs/cgroup/memory.high")]


@pytest.mark.parametrize(
    ("stat", "used"),
    [
        ({}, 460),
        ({"inactive_file": 50 * MIB, "active_file": 100 * MIB}, 310),
        ({"inactive_file": 50 * MIB, "active_file": 100 * MIB, "file_mapped": 30 * MIB}, 340),
        ({"inactive_file": 10 * MIB, "file_mapped": 30 * MIB}, 460),  # shared memory is mapped too, and is no cache
        ({"slab_reclaimable": 60 * MIB}, 400),
        ({"inactive_file": 999 * MIB}, 0),  # the files are read one after the other: they may disagree
    ],
)
def test_v2_page_cache_is_not_used_memory(tree: Tree, stat: dict[str, int], used: int) -> None:
    tree.process(["0::/"], [V2_MOUNT.format(root="/")])
    tree.v2("", 460 * MIB, stat, max=512 * MIB)
    assert [reading.used for reading in tree.readings()] == [used * MIB]


def test_v1_counts_the_children_and_not_the_page_cache(tree: Tree) -> None:
    tree.process(["9:name=systemd:/", "4:memory:/docker/abc"], [V1_MOUNT.format(root="/")])
    stat = {"inactive_file": 1 * MIB, "total_inactive_file": 40 * MIB, "total_active_file": 30 * MIB}
    tree.v1("/docker/abc", 200 * MIB, 256 * MIB, stat | {"total_mapped_file": 10 * MIB})
    tree.v1("/docker", 900 * MIB, HUGE)
    tree.v1("", 2000 * MIB, HUGE)
    limit = "/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes"
    assert tree.readings() == [Reading(140 * MIB, 256 * MIB, limit)]


def test_v1_in_a_container_without_a_namespace_of_its_own(tree: Tree) -> None:
    """The process's path is the host's; the mount shows that group as its top."""
    tree.process(["4:memory:/docker/abc"], [V1_MOUNT.format(root="/docker/abc")])
    tree.v1("", 100 * MIB, 256 * MIB)
    limit = "/sys/fs/cgroup/memory/memory.limit_in_bytes"
    assert tree.readings() == [Reading(100 * MIB, 256 * MIB, limit)]


def test_both_versions_at_once(tree: Tree) -> None:
    unified = V2_MOUNT.format(root="/").replace("/sys/fs/cgroup ", "/sys/fs/cgroup/unified ")
    tree.process(["4:cpu,memory:/a", "0::/b"], [V1_MOUNT.format(root="/"), unified])
    tree.v1("/a", 100 * MIB, 256 * MIB)
    tree.v2("/unified/b", 50 * MIB, max=128 * MIB)
    assert {reading.limit for reading in tree.readings()} == {256 * MIB, 128 * MIB}


@pytest.mark.parametrize("path", ["/../elsewhere", "/another/place"])
def test_a_process_outside_of_the_mount_has_the_mount_s_top(tree: Tree, path: str) -> None:
    tree.process([f"0::{path}"], [V2_MOUNT.format(root="/docker/abc")])
    tree.v2("", 10 * MIB, max=64 * MIB)
    assert [reading.limit for reading in tree.readings()] == [64 * MIB]


def test_a_mount_point_with_a_space(tree: Tree) -> None:
    spaced = V2_MOUNT.format(root="/").replace("/sys/fs/cgroup ", "/sys/fs/cgroup/my\\040groups ")
    tree.process(["0::/"], [spaced])
    tree.v2("/my groups", 10 * MIB, max=64 * MIB)
    assert [reading.limit for reading in tree.readings()] == [64 * MIB]


def test_no_limit_anywhere(tree: Tree) -> None:
    tree.process(["4:memory:/a", "0::/b"], [V1_MOUNT.format(root="/"), V2_MOUNT.format(root="/")])
    tree.v1("/a", 100 * MIB, HUGE)
    tree.v2("/b", 100 * MIB)
    assert len(group_ceilings(tree.root)) == 2
    assert tree.readings() == []


def test_a_limit_that_comes_while_the_crawl_runs(tree: Tree) -> None:
    tree.process(["0::/"], [V2_MOUNT.format(root="/")])
    tree.v2("", 100 * MIB)
    (ceiling,) = group_ceilings(tree.root)
    assert ceiling.read() is None
    tree.v2("", 100 * MIB, max=200 * MIB)
    reading = ceiling.read()
    assert reading is not None and reading.share == 0.5


def test_no_control_groups_at_all(tree: Tree) -> None:
    assert group_ceilings(tree.root) == []  # not even /proc


def test_a_group_that_went_away(tree: Tree) -> None:
    tree.process(["0::/"], [V2_MOUNT.format(root="/")])
    tree.v2("", 100 * MIB, max=200 * MIB)
    (ceiling,) = group_ceilings(tree.root)
    for file in (tree.root / "sys/fs/cgroup").iterdir():
        file.unlink()
    assert ceiling.read() is None


def test_this_machine_can_be_read() -> None:
    for ceiling in group_ceilings():
        reading = ceiling.read()
        assert reading is None or (reading.used > 0 and Path(reading.source).is_file())
