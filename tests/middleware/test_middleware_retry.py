"""The retry middleware: what is tried again, when, and what is not."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from crawler import (
    BadResponse,
    BadStatus,
    ConnectFailed,
    DNSFailed,
    FetchError,
    Request,
    Response,
    Retry,
    TimedOut,
    TLSFailed,
)
from crawler.middleware import RetryMiddleware, wrap
from crawler.retry_after import retry_after
from crawler.settings import Settings


def answer(request: Request, status: int, **headers: str) -> Response:
    return Response(request.url, status, CIMultiDictProxy(CIMultiDict(headers)), b"", request)


def request_with(tries: int, **args: Any) -> Request:
    request = Request("https://x.example/", **args)
    request._tries = tries
    return request


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (ConnectFailed("refused"), True),
        (DNSFailed("no such name"), True),
        (TimedOut("no answer within 60 s"), True),
        (BadResponse("cut short"), True),
        (TLSFailed("the certificate has expired"), False),
        (FetchError("something else"), False),
    ],
)
async def test_passing_failures_are_tried_again(error: FetchError, again: bool) -> None:
    async def fetch(request: Request) -> Response:
        raise error

    retry = RetryMiddleware(Settings())
    with pytest.raises(Retry if again else type(error)) as raised:
        await retry(request_with(0), fetch)
    if isinstance(raised.value, Retry):
        assert raised.value.error is error
        assert raised.value.after is not None
        assert 1.0 <= raised.value.after <= 1.5
    with pytest.raises(type(error)):
        await retry(request_with(2), fetch)  # tries used up


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 522, 524])
async def test_passing_statuses_are_tried_again_with_growing_waits(status: int) -> None:
    retry = RetryMiddleware(Settings(retries=4, retries_busy=4))

    async def fetch(request: Request) -> Response:
        return answer(request, status)

    for tries, (low, high) in enumerate([(1, 1.5), (2, 2.5), (4, 4.5), (8, 8.5)]):
        with pytest.raises(Retry) as raised:
            await retry(request_with(tries), fetch)
        assert raised.value.after is not None
        assert low <= raised.value.after <= high
    assert (await retry(request_with(4), fetch)).status == status


@pytest.mark.parametrize(
    ("status", "headers", "tries"),
    [(429, {}, 8), (503, {"Retry-After": "1"}, 8), (503, {}, 2), (500, {"Retry-After": "1"}, 2)],
)
async def test_a_page_that_was_asked_for_too_soon_has_more_tries(
    status: int, headers: dict[str, str], tries: int
) -> None:
    async def fetch(request: Request) -> Response:
        return answer(request, status, **headers)

    retry = RetryMiddleware(Settings())
    with pytest.raises(Retry):
        await retry(request_with(tries - 1), fetch)
    assert (await retry(request_with(tries), fetch)).status == status
    with pytest.raises(Retry):
        await retry(request_with(0, retry=1), fetch)
    assert (await retry(request_with(1, retry=1), fetch)).status == status
    assert (await RetryMiddleware(Settings(retries=0))(request_with(0), fetch)).status == status


@pytest.mark.parametrize("status", [200, 301, 400, 403, 404, 410, 501])
async def test_other_statuses_pass(status: int) -> None:
    async def fetch(request: Request) -> Response:
        return answer(request, status)

    assert (await RetryMiddleware(Settings())(request_with(0), fetch)).status == status


async def test_methods_and_wishes() -> None:
    async def fetch(request: Request) -> Response:
        return answer(request, 503)

    retry = RetryMiddleware(Settings())
    assert (await retry(request_with(0, form={"a": 1}), fetch)).status == 503
    assert (await retry(request_with(0, retry=False), fetch)).status == 503
    with pytest.raises(Retry):
        await retry(request_with(0, form={"a": 1}, retry=True), fetch)
    with pytest.raises(Retry):
        await retry(request_with(4, retry=5), fetch)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120.0), (" 7 ", 7.0), ("", None), ("soon", None), ("-5", None), ("1.5", None), ("9" * 30, 1e9)],
)
def test_retry_after_in_seconds(value: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": value}) == seconds


def test_retry_after_as_a_date() -> None:
    assert retry_after({"Retry-After": formatdate(1_000_060, usegmt=True)}, now=1_000_000) == 60
    assert retry_after({"Retry-After": formatdate(999_000, usegmt=True)}, now=1_000_000) == 0


async def test_what_the_server_asks_is_kept() -> None:
    async def fetch(request: Request) -> Response:
        return answer(request, 429, **{"Retry-After": "30"})

    with pytest.raises(Retry) as raised:
        await RetryMiddleware(Settings())(request_with(0), fetch)
    assert raised.value.after == 30


async def test_the_onion_has_the_first_outermost() -> None:
    order: list[str] = []

    def layer(name: str) -> Any:
        async def middleware(request: Request, fetch: Any) -> Response:
            order.append(f"{name} in")
            response: Response = await fetch(request)
            order.append(f"{name} out")
            return response

        return middleware

    async def fetch(request: Request) -> Response:
        order.append("fetch")
        return answer(request, 200)

    await wrap(fetch, [layer("a"), layer("b")])(request_with(0))
    assert order == ["a in", "b in", "fetch", "b out", "a out"]

    async def forgets(request: Request, fetch: Any) -> Any:
        await fetch(request)

    with pytest.raises(TypeError, match=r"forgets.*must return the response"):
        await wrap(fetch, [forgets])(request_with(0))


def test_bad_status_has_its_response() -> None:
    response = answer(request_with(0), 404)
    assert BadStatus("status 404", response).response is response
