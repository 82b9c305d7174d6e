"""The corpus of addresses that must open no socket, on every way on which a user can name one."""

import pytest

from support.forbidden_addresses import ALLOWED, DIRECT_WAYS, REACHABLE, WAYS, Net, corpus

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> object:
    """The loop of the server."""
    return "asyncio", {"use_uvloop": True}


@pytest.mark.parametrize("way", WAYS)
async def test_no_form_of_the_corpus_opens_a_forbidden_socket(way: str) -> None:
    opened: dict[str, list[tuple[str, int]]] = {}
    for form in corpus():
        with Net() as net:
            await WAYS[way](net.outbound(), form)
        if net.forbidden:
            opened[form] = net.forbidden
    assert opened == {}


@pytest.mark.parametrize("way", WAYS)
async def test_a_guard_that_lets_everything_through_would_be_noticed(way: str) -> None:
    with Net() as net:
        await WAYS[way](net.outbound("*"), "{s}://127.0.0.1/")
    assert net.forbidden


@pytest.mark.parametrize("way", DIRECT_WAYS)
async def test_what_the_setting_lists_is_reached(way: str) -> None:
    for form in REACHABLE:
        with Net() as net:
            await WAYS[way](net.outbound(*ALLOWED), form)
        assert net.dialled, form


def test_the_corpus_is_as_large_as_it_should_be() -> None:
    forms = corpus()
    assert len(forms) >= 120
    assert len(set(forms)) == len(forms)
