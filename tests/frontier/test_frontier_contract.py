"""The contract of `crawler.contracts.Frontier`, against every store."""

from __future__ import annotations

import pytest
from frontier_store import Store, found, given_back, key_of, seeds

from crawler.contracts import Entry, Group, Outcome, StateOp
from crawler.errors import StateError
from crawler.request import Hop, Options


async def test_a_new_store_knows_nothing(store: Store) -> None:
    recovered = store.recovered
    assert (recovered.pending, recovered.known, recovered.commit, recovered.log_end) == (0, 0, 0, 0)
    assert list(recovered.backlog) == [] and list(recovered.returned) == []
    assert not recovered.seeds_done and not recovered.state and not recovered.counters
    assert not store.frontier.known(key_of("x"))
    assert store.frontier.bodies([0, 1, 2, -1]) == []


async def test_what_was_found_comes_back_numbered(store: Store) -> None:
    a, b = await store.add(seeds("a", "b", host="h.example:8080", depth=3))
    assert (a.key, a.host, a.request.url, a.request.depth) == (
        key_of("a"),
        "h.example:8080",
        "http://h.example:8080/a",
        3,
    )
    assert 0 < a.id < b.id and (a.age, b.age) == (a.id, b.id)
    assert (a.tries, a.deaths, a.visit, a.due) == (0, 0, 0, 0.0)


async def test_a_key_is_accepted_once(store: Store) -> None:
    first = await store.add(seeds("a", "b", "a"))
    assert [entry.key for entry in first] == [key_of("a"), key_of("b")]
    assert store.frontier.known(key_of("a"))
    assert await store.add(seeds("b", "a")) == []
    await store.add(Outcome(first[0], "done"))
    assert [entry.key for entry in await store.add(seeds("a", "c"))] == [key_of("c")]


async def test_bodies_keep_the_order_asked(store: Store) -> None:
    entries = await store.add(seeds(*"abcdef"))
    asked = [entry.id for entry in (entries[3], entries[0], entries[5])]
    assert [entry.id for entry in store.frontier.bodies(asked)] == asked


async def test_bodies_of_committed_and_uncommitted_entries_are_one_order(store: Store) -> None:
    old = await store.add(seeds("a", "b"))
    new = store.accept(seeds("c", "d"))
    asked = [entry.id for entry in [*new[:1], *old, *new[1:]]]
    assert [entry.id for entry in store.frontier.bodies(asked)] == asked


async def test_bodies_of_many(store: Store) -> None:
    entries = await store.add(seeds(*map(str, range(500))))
    assert [entry.request.url for entry in store.frontier.bodies([entry.id for entry in entries])] == [
        entry.request.url for entry in entries
    ]


@pytest.mark.parametrize("verdict", ["done", "failed", "handled", "redirected", "skipped"])
async def test_a_final_verdict_ends_an_entry(store: Store, verdict: str) -> None:
    a, b = await store.add(seeds("a", "b"))
    store.accept(Outcome(a, verdict))  # type: ignore[arg-type]
    assert [entry.id for entry in store.frontier.bodies([a.id, b.id])] == [b.id]
    await store.commit()
    assert [entry.id for entry in store.frontier.bodies([a.id, b.id])] == [b.id]


async def test_none_touches_no_entry(store: Store) -> None:
    (a,) = await store.add(seeds("a"))
    await store.add(Outcome(a, "none", found=[found("b")]))
    assert [entry.id for entry in store.frontier.bodies([a.id])] == [a.id]
    assert store.frontier.known(key_of("b"))


async def test_returned_keeps_an_entry_with_its_tries_and_time(store: Store) -> None:
    a, b = await store.add(seeds("a", "b"))
    store.accept(given_back(a, 2, 1234.5))
    for _ in range(2):  # before its commit and after it
        (again, other) = store.frontier.bodies([a.id, b.id])
        assert (again.tries, again.due, again.request.tries, again.age) == (2, 1234.5, 2, a.id)
        assert (other.tries, other.due) == (0, 0.0)
        await store.commit()
    await store.add(Outcome(again, "done"))
    assert store.frontier.bodies([a.id]) == []


async def test_the_last_of_several_returns_in_a_group_counts(store: Store) -> None:
    a, b = await store.add(seeds("a", "b"))
    store.accept(given_back(a, 1, 10.0))
    store.accept(given_back(a, 2, 20.0))
    store.accept(given_back(b, 1, 10.0))
    store.accept(Outcome(b, "failed"))
    await store.commit()
    assert [(entry.id, entry.tries, entry.due) for entry in store.frontier.bodies([a.id, b.id])] == [(a.id, 2, 20.0)]


async def test_an_outcome_of_an_entry_that_is_not_pending_changes_nothing(store: Store) -> None:
    (a,) = await store.add(seeds("a"))
    await store.add(Outcome(a, "done"))
    again = Outcome(
        a, "done", found=[found("child")], state=[StateOp("add", "n", 1)], counters={"pages": 1}, seeds_done=True
    )
    assert await store.add(again) == []
    assert not store.frontier.known(key_of("child"))
    assert not store.frontier.is_pending(a)  # type: ignore[attr-defined]


async def test_the_same_outcome_twice_in_a_group_counts_once(store: Store) -> None:
    (a,) = await store.add(seeds("a"))
    assert len(store.accept(Outcome(a, "done", found=[found("x")]))) == 1
    assert store.accept(Outcome(a, "done", found=[found("y")])) == []
    await store.commit()
    assert store.frontier.known(key_of("x")) and not store.frontier.known(key_of("y"))


async def test_an_outcome_of_another_visit_changes_nothing(store: Store) -> None:
    (a,) = await store.add(seeds("a"))
    stale = Entry(a.id, a.key, a.host, a.request, visit=a.visit + 1)
    await store.add(Outcome(stale, "done", found=[found("child")]))
    assert not store.frontier.known(key_of("child"))
    assert len(store.frontier.bodies([a.id])) == 1


async def test_an_outcome_of_an_entry_from_nowhere_changes_nothing(store: Store) -> None:
    (a,) = await store.add(seeds("a"))
    assert await store.add(Outcome(Entry(a.id + 7, b"k" * 16, a.host, a.request), "done", found=[found("b")])) == []
    assert not store.frontier.known(key_of("b"))


async def test_a_redirect_gives_its_age_to_its_target(store: Store) -> None:
    a, b = await store.add(seeds("a", "b"))
    (target,) = await store.add(Outcome(a, "redirected", found=[found("target", age=a.age)]))
    assert target.id > b.id and target.age == a.age and target.order < b.order
    assert [entry.age for entry in store.frontier.bodies([target.id])] == [a.age]


async def test_arguments_are_what_a_resumed_run_would_see(store: Store) -> None:
    tags = ["new"]
    entries = store.accept(Outcome(None, "none", found=[found("a", kwargs={"pair": (1, 2), "tags": tags}), found("b")]))
    tags.append("changed after the yield")
    before = [entry.request.kwargs for entry in entries]
    await store.commit()
    after = [entry.request.kwargs for entry in store.frontier.bodies([entry.id for entry in entries])]
    assert before == after == [{"pair": [1, 2], "tags": ["new"]}, {}]


async def test_everything_about_a_request_is_kept(store: Store) -> None:
    options = {
        "method": "POST",
        "headers": (("X-A", "ä"),),
        "cookies": (("c", "1"),),
        "body": b"\x00\xff",
        "auth": "Basic eA==",
        "session": "s",
        "proxy": "http://p/",
        "priority": -7,
        "unique": False,
        "key": "k",
        "timeout": 1.5,
        "retry": True,
        "redirects": 3,
        "accept_status": (200, 404),
        "errback": "failed_it",
        "errback_kwargs": b"\x80",
        "history": (Hop("http://x/", 302, (("Location", "/a"),)),),
        "scope": "prefix 1 x/docs/",
    }
    assert set(options) == set(Options.__struct_fields__)
    (a,) = await store.add(Outcome(None, "none", found=[found("a", depth=5000, **options)]))
    (body,) = store.frontier.bodies([a.id])
    assert body.request._options == Options(**options)  # type: ignore[arg-type]
    assert (body.request.url, body.request.callback, body.request.depth) == (a.request.url, "parse_it", 5000)


async def test_what_cannot_be_stored_fails_before_anything_is_changed(store: Store) -> None:
    with pytest.raises(TypeError, match="bad"):
        store.frontier.accept(Outcome(None, "none", found=[found("a"), found("b", kwargs={"bad": object()})]))
    with pytest.raises(ValueError, match="returned"):
        store.frontier.accept(Outcome(None, "returned"))
    assert not store.frontier.known(key_of("a"))
    assert [entry.id for entry in await store.add(seeds("a"))] == [1]


async def test_a_state_operation_that_does_not_fit_fails_before_anything_is_changed(store: Store) -> None:
    await store.add(Outcome(None, "none", state=[StateOp("set", "word", "x"), StateOp("set", "n", (1 << 64) - 1)]))
    for op in (StateOp("add", "word", 1), StateOp("add", "n", 1)):
        with pytest.raises(TypeError):
            store.frontier.accept(Outcome(None, "none", found=[found("a")], state=[op]))
    assert not store.frontier.known(key_of("a"))
    await store.commit()


async def test_groups_are_the_accepted_outcomes_in_their_order(store: Store) -> None:
    one, two = seeds("a"), seeds("b")
    for outcome in (one, two):
        store.frontier.accept(outcome)
    with pytest.raises(ValueError, match="order"):
        await store.frontier.commit(Group(1, [two], 0))
    await store.frontier.commit(Group(1, [one], 0))
    with pytest.raises(ValueError, match="group 1"):
        await store.frontier.commit(Group(1, [two], 0))
    await store.frontier.commit(Group(2, [two], 0))
    with pytest.raises(ValueError, match="order"):
        await store.frontier.commit(Group(3, [seeds("c")], 0))


async def test_an_empty_group_is_a_group(store: Store) -> None:
    assert await store.commit(meta={"ended": b"1"}, log_end=5) == []


async def test_after_close_only_close(store: Store) -> None:
    await store.frontier.close()
    await store.frontier.close()
    with pytest.raises(StateError):
        store.frontier.accept(seeds("a"))
    with pytest.raises(StateError):
        store.frontier.bodies([1])
    with pytest.raises(StateError):
        await store.frontier.commit(Group(1, [], 0))
