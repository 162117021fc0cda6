"""The clock of the stages: what stands for what, and that nothing is counted twice."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from small_site import Site, page

from crawler import Crawl, Request, Response, Spider, run
from crawler.stages import CALLBACK, COMMIT, EVERY, PAGE, PARSE, SESSION, STAGES, MeasuredThreads, Stages

MS = 1_000.0  # in the unit of a report


def spin(seconds: float) -> None:
    """Works; by this thread's own clock, so that a busy machine changes nothing."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_the_measured_ones_stand_for_all() -> None:
    """Whenever one looks, the weights add up to the number, but for the round that is not at its end."""
    stages, round_ = Stages(), 16 * EVERY
    weights = [stages.sample(PAGE) for _ in range(5 * round_)]
    assert weights[:round_] == [1] * round_  # small crawls are measured whole
    assert all(sum(weights[: n * round_]) == n * round_ for n in range(1, 6))
    assert max(abs(sum(weights[:n]) - n) for n in range(len(weights))) <= round_ // 2
    assert sum(weight > 0 for weight in weights[round_:]) == 4 * 16


async def test_a_stage_within_another_stops_its_clock_and_waiting_costs_nothing() -> None:
    stages = Stages()

    async def work() -> str:
        spin(0.005)
        before = stages.enter(CALLBACK)
        spin(0.01)
        assert stages.within(PARSE, str, 5) == "5"
        stages.within(PARSE, spin, 0.02)
        await asyncio.sleep(0.2)
        spin(0.01)  # in the callback still
        stages.leave(before)
        await stages.during(SESSION, asyncio.sleep(0))
        return "done"

    with stages.running():
        assert await stages.drive(work(), PAGE) == "done"
        spin(0.03)
    report = stages.report(1)
    assert report["page"] == pytest.approx(5 * MS, abs=2 * MS)
    assert report["callback"] == pytest.approx(20 * MS, abs=2 * MS)
    assert report["parse"] == pytest.approx(20 * MS, abs=2 * MS)
    assert report["other"] == pytest.approx(30 * MS, abs=10 * MS)
    assert sum(report[name] for name in (*STAGES, "other")) == pytest.approx(report["cpu"], abs=0.1)


async def test_a_weight_multiplies_and_other_threads_do_not_touch_the_clock() -> None:
    stages = Stages()

    async def work() -> None:
        spin(0.005)
        seen: list[int] = []
        other = threading.Thread(target=lambda: seen.append(stages.enter(PARSE)))
        other.start()
        other.join()
        assert seen == [0]

    with stages.running():
        assert stages.enter(PARSE) == 0  # nothing is measured at this moment
        await stages.drive(work(), PAGE, weight=3)
        with MeasuredThreads(1, "test", stages, COMMIT) as threads:
            await asyncio.get_running_loop().run_in_executor(threads, spin, 0.02)
    report = stages.report(1)
    assert report["page"] == pytest.approx(15 * MS, abs=4 * MS)
    assert report["commit"] == pytest.approx(20 * MS, abs=2 * MS)
    assert report["parse"] == 0


async def test_errors_and_cancellation_pass_through() -> None:
    stages, caught = Stages(), []

    async def patient() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            caught.append("cancelled")
            raise

    async def broken() -> None:
        await asyncio.sleep(0)
        raise LookupError("mine")

    with stages.running():
        task = asyncio.create_task(stages.drive(patient(), PAGE))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(LookupError, match="mine"):
            await stages.drive(broken(), PAGE)
    assert caught == ["cancelled"]
    assert stages.weight == 0


def busy(site: Site, seconds: float, **attributes: Any) -> type[Spider]:
    class Busy(Spider):
        name = f"busy{seconds * 1000:.0f}"
        start_urls = [f"{site.url}/"]

        async def parse(self, response: Response) -> Any:
            spin(seconds)
            yield {"path": response.yarl.path}
            yield response.links()

    for name, value in attributes.items():
        setattr(Busy, name, value)
    return Busy


async def test_two_crawls_in_one_loop_do_not_mix(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page(*(f"/{n}" for n in range(20)))
    for n in range(20):
        site.pages[f"/{n}"] = page()
    async with Crawl(busy(site, 0.02), settings=fast) as one, Crawl(busy(site, 0), settings=fast) as two:
        first, second = await asyncio.gather(one.wait(), two.wait())
    assert first.stats.counters["responses"] == second.stats.counters["responses"] == 21
    assert 20 * MS <= first.stats.stages["callback"] < 30 * MS
    assert second.stats.stages["callback"] < 5 * MS


async def test_fetches_and_a_middleware_with_a_task_of_its_own(site: Site, fast: dict[str, Any]) -> None:
    """What a page fetches is measured with it; what a middleware leaves to another task is not, nor counted wrong."""
    site.pages["/"] = page("/1", "/2")
    site.pages["/1"] = site.pages["/2"] = site.pages["/inner"] = page()

    async def patient(request: Request, fetch: Any) -> Response:
        spin(0.01)
        return await asyncio.wait_for(asyncio.ensure_future(fetch(request)), 10)

    async def parse(self: Spider, response: Response) -> Any:
        inner = await self.fetch(Request(f"{site.url}/inner"))
        spin(0.005)
        yield {"length": len(inner.css("a"))}
        yield response.links()

    ran = await run(busy(site, 0, parse=parse, middlewares=[patient]), settings=fast)
    assert ran.stats.counters["responses"] == 3, ran.stats.examples
    stages = ran.stats.stages
    assert 20 * MS <= stages["onion"] < 30 * MS  # once for the page, once for what it fetched
    assert 5 * MS <= stages["callback"] < 10 * MS
    assert sum(stages[name] for name in STAGES) <= stages["cpu"]


async def test_without_an_answer_there_is_no_report(site: Site, fast: dict[str, Any]) -> None:
    gone = busy(site, 0, start_urls=["http://127.0.0.1:1/"])
    ran = await run(gone, settings={**fast, "retries": 0, "robots": False})
    assert ran.stats.stages == {}
