"""One row, one worker: claims by lease on both databases."""

from collections.abc import Generator

import pytest
from sqlalchemy import BigInteger, Column, Connection, Engine, Integer, MetaData, String, Table, create_engine, insert
from sqlalchemy.pool import StaticPool

from retold.storage.claims import LEASE_MS, RENEW_MS, Claims

NOW_MS = 1_800_000_000_000
ALL = (1, 2, 3)
work = Table(
    "work",
    MetaData(),
    Column("work_id", Integer, primary_key=True),
    Column("leased_by", String(64)),
    Column("lease_until_ms", BigInteger),
)


@pytest.fixture
def connection(database_url: str | None) -> Generator[Connection]:
    engine = _engine(database_url)
    work.metadata.create_all(engine)
    with engine.begin() as one:
        one.execute(insert(work), [{"work_id": number} for number in ALL])
        yield one
    engine.dispose()


def test_a_row_is_claimed_by_one(connection: Connection) -> None:
    assert mine("a/1").take(connection, [1, 2], NOW_MS) == {1, 2}
    assert mine("b/1").take(connection, ALL, NOW_MS) == {3}
    assert mine("b/1").take(connection, ALL, NOW_MS + LEASE_MS - 1) == set()
    assert mine("a/1").take(connection, [], NOW_MS) == set()


def test_a_claim_that_nobody_renews_ends(connection: Connection) -> None:
    mine("a/1").take(connection, ALL, NOW_MS)
    assert mine("a/1").renew(connection, [1], NOW_MS + RENEW_MS) == {1}
    assert mine("b/1").take(connection, ALL, NOW_MS + LEASE_MS) == {2, 3}
    assert mine("a/1").renew(connection, ALL, NOW_MS + LEASE_MS) == {1}


def test_rows_are_given_back(connection: Connection) -> None:
    mine("a/1").take(connection, ALL, NOW_MS)
    mine("b/1").let_go(connection, ALL)
    mine("a/1").let_go(connection, [2])
    assert mine("b/1").take(connection, ALL, NOW_MS) == {2}


def test_a_server_that_is_back_has_the_claims_of_its_former_process_ended(connection: Connection) -> None:
    mine("a/1").take(connection, [1], NOW_MS)
    mine("a/2").take(connection, [2], NOW_MS)
    mine("ab/1").take(connection, [3], NOW_MS)
    assert mine("a/2").release_former(connection) == 1
    assert mine("a/2").take(connection, ALL, NOW_MS) == {1}


def test_a_server_without_a_name_has_all_claims_to_itself(connection: Connection) -> None:
    mine("/1").take(connection, ALL, NOW_MS)
    assert mine("/2").release_former(connection) == 3


def test_a_clock_that_was_put_back_blocks_nothing(connection: Connection) -> None:
    mine("a/1").take(connection, ALL, NOW_MS)
    assert mine("b/1").take(connection, ALL, NOW_MS - 1_000) == set()
    assert mine("b/1").take(connection, ALL, NOW_MS - 3_600_000) == set(ALL)


def mine(holder: str) -> Claims:
    return Claims(work, work.c.work_id, holder)


def _engine(database_url: str | None) -> Engine:
    if database_url is None:
        return create_engine("sqlite://", poolclass=StaticPool)
    return create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
