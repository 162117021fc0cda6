"""The same promises on uvloop, which crawls use where it installs: where loops differ, once more."""

from __future__ import annotations

import asyncio

import pytest
from test_fetch_connections import (  # noqa: F401
    test_a_bad_certificate_is_refused,
    test_a_cancelled_fetch_is_cancelled,
    test_a_handshake_dropped,
    test_a_handshake_never_answered,
    test_a_post_is_repeated_only_if_asked,
    test_a_second_answer_nobody_asked_for_confuses_nothing,
    test_a_trusted_certificate,
    test_all_pages_arrive_from_a_server_that_closes_kept_connections,
    test_https_to_a_server_without_tls,
    test_surplus_bytes_close_the_connection,
)
from test_fetch_hazards import (  # noqa: F401
    test_a_flood_of_100_continue_ends_too,
    test_a_name_without_an_address,
    test_a_reset,
    test_a_slow_server_ends_at_a_limit,
    test_an_endless_body_is_left_at_the_limit,
    test_connection_refused_names_the_place,
)

uvloop = pytest.importorskip("uvloop")

# The hook that is to replace this fixture works on all tests of a session, not on one module's.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestDeprecationWarning")


@pytest.fixture
def event_loop_policy() -> asyncio.AbstractEventLoopPolicy:
    policy: asyncio.AbstractEventLoopPolicy = uvloop.EventLoopPolicy()
    return policy


async def test_this_is_uvloop() -> None:
    assert type(asyncio.get_running_loop()).__module__.startswith("uvloop")
