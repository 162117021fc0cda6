"""What a start finds pending, read in steps, against a query a row at a time."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from frontier_store import Store, found, given_back

from crawler.contracts import Outcome
from crawler.errors import StateError
from crawler.frontier import pending

Reopen = Callable[[], Awaitable[Store]]


async def mixed(store: Store) -> None:
    """Hosts, levels, ends, retries and redirect targets, all mixed."""
    draw = random.Random(5)
    entries = []
    for part in range(6):
        few = part == 3  # one host and one level in a row
        links = [
            found(
                f"{part}-{n}", "a.example" if few else f"h{draw.randrange(9)}.example",
                depth=0 if few else draw.randrange(4), priority=0 if few else draw.randrange(-1, 2),
            )
            for n in range(50)
        ]  # fmt: skip
        entries += await store.add(Outcome(None, "none", found=links))
    for entry in draw.sample(entries, 120):
        verdict = draw.randrange(3)
        if verdict == 0:
            await store.add(given_back(entry, 1, 5.0))
        elif verdict == 1:
            await store.add(Outcome(entry, "redirected", found=[found(f"to-{entry.id}", entry.host, age=entry.age)]))
        else:
            await store.add(Outcome(entry, "done"))


@pytest.mark.parametrize("step", [1, 7, 64, 8192])
async def test_all_that_is_pending_is_found(
    durable: Reopen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    monkeypatch.setattr(pending, "_STEP", step)
    store = await durable()
    await mixed(store)
    await store.frontier.close()
    expected: dict[tuple[str, tuple[int, int]], list[int]] = {}
    with sqlite3.connect(tmp_path / "f.sqlite") as connection:
        apart = {id for (id,) in connection.execute("SELECT id FROM returned")}
        apart.update(
            id
            for (id,) in connection.execute(
                "SELECT id FROM request WHERE age IS NOT NULL AND id NOT IN (SELECT id FROM done)"
            )
        )
        ended = {id for (id,) in connection.execute("SELECT id FROM done")}
        for id, host, priority, depth in connection.execute(
            "SELECT request.id, name, priority, depth FROM request JOIN host ON host.id = host ORDER BY request.id"
        ):
            if id not in ended and id not in apart:
                expected.setdefault((host, (-priority, depth)), []).append(id)
    connection.close()
    recovered = (await durable()).recovered
    assert {(host, level): list(ids) for host, level, ids in recovered.backlog} == expected
    assert {entry.id for entry in recovered.returned} == apart and len(apart) > 30
    assert len(recovered.backlog) + len(apart) == recovered.pending


async def test_an_entry_that_had_ended_is_not_pending_again(durable: Reopen) -> None:
    store = await durable()
    await mixed(store)
    entries = {entry.id: entry for entry in store.frontier.bodies(range(1, 400))}
    await store.frontier.close()
    again = await durable()
    assert {entry.id for entry in again.frontier.bodies(range(1, 400))} == entries.keys()


@pytest.mark.parametrize("host", [-1, 0, 10_000])
async def test_a_host_that_is_not_there_is_damage(durable: Reopen, tmp_path: Path, host: int) -> None:
    store = await durable()
    await mixed(store)
    await store.frontier.close()
    with sqlite3.connect(tmp_path / "f.sqlite") as connection:
        waiting = "SELECT max(id) FROM request WHERE id NOT IN (SELECT id FROM done)"
        connection.execute(f"UPDATE request SET host = ? WHERE id = ({waiting})", (host,))
    connection.close()
    with pytest.raises(StateError, match="damaged"):
        await durable()


async def test_known_keys_that_cannot_be_read_end_the_store(durable: Reopen, tmp_path: Path) -> None:
    """They are read behind the start: what is wrong with them is said at the first look."""
    store = await durable()
    await mixed(store)
    await store.frontier.close()
    with sqlite3.connect(tmp_path / "f.sqlite") as connection:
        (one, first), (other, second) = connection.execute("SELECT number, digests FROM seen LIMIT 2").fetchall()
        changed = [(first + bytes(5), one), (second[5:], other)]  # as many bytes in all
        connection.executemany("UPDATE seen SET digests = ? WHERE number = ?", changed)
    connection.close()
    store = await durable()
    for _ in range(2):
        with pytest.raises(StateError, match="damaged"):
            store.frontier.known(bytes(16))
    with pytest.raises(StateError, match="damaged"):
        store.accept(Outcome(None, "none"))
