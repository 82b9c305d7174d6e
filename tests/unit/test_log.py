"""Log lines: one per event, with the call's id, without secrets."""

import io
import json
import logging

import pytest
import structlog

from retold.ids import new_api_key
from retold.log import set_up_logging


@pytest.fixture
def lines() -> io.StringIO:
    stream = io.StringIO()
    set_up_logging("info", "json", stream)
    return stream


def logged(lines: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_secrets_are_masked_wherever_they_stand(lines: io.StringIO) -> None:
    key = new_api_key()
    structlog.stdlib.get_logger().info(
        "request_failed",
        headers={"Authorization": f"Bearer {key}"},
        text=f"sent {key} twice: {key}",
        parts=[f"Bearer {key}"],
        access_token="opaque",
    )
    assert key not in lines.getvalue()
    assert "opaque" not in lines.getvalue()
    assert logged(lines)[0]["text"] == "sent *** twice: ***"


def test_the_address_of_a_file_is_masked_for_it_opens_the_file(lines: io.StringIO) -> None:
    structlog.stdlib.get_logger().info("request_failed", path="/files/0123456789abcdef/recording.wav")
    assert logged(lines)[0]["path"] == "/files/***/recording.wav"


def test_errors_of_a_call_that_may_not_be_stored_quote_nothing(lines: io.StringIO) -> None:
    logger = structlog.stdlib.get_logger()
    with structlog.contextvars.bound_contextvars(is_unstored=True):
        try:
            int("quetzalcoatl")
        except ValueError as error:
            logger.exception("call_failed")
            logger.exception("part_failed", exc_info=error, detail="quetzalcoatl")
            logger.exception("part_failed", exc_info=(type(error), error, error.__traceback__), error=str(error))
        logger.info("call_ended", reason="user_hangup")
    assert "quetzalcoatl" not in lines.getvalue()
    *failed, ended = logged(lines)
    assert all(str(line["exception"]).endswith("ValueError") for line in failed)
    assert all("test_log.py:" in str(line["exception"]) for line in failed)
    assert (ended["reason"], "is_unstored" in ended) == ("user_hangup", False)


def test_a_bound_call_is_named_in_each_line(lines: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(call_id="call_1"):
        structlog.stdlib.get_logger().info("call_started")
    assert logged(lines)[0]["call_id"] == "call_1"


def test_warnings_of_libraries_come_in_the_same_form(lines: io.StringIO) -> None:
    logging.getLogger("some.library").warning("careful with %s", "key_0123456789abcdef")
    logging.getLogger("some.library").info("chatter")
    assert [line["event"] for line in logged(lines)] == ["careful with ***"]


def test_lines_below_the_level_are_dropped(lines: io.StringIO) -> None:
    structlog.stdlib.get_logger().debug("detail")
    assert logged(lines) == []
