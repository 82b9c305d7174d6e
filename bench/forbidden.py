"""Addresses that no agent may reach: the corpus on every way on which a user can name one, and the sockets it opens."""

from structlog.testing import capture_logs

from figures import Figure, Scale
from support.forbidden_addresses import ALLOWED, DIRECT_WAYS, REACHABLE, WAYS, Net, corpus


async def measure(_scale: Scale) -> list[Figure]:
    """Sockets that would be opened to forbidden addresses; and whether what the setting lists is reached."""
    forms, opened, unreached = corpus(), 0, 0
    with capture_logs():
        for go in WAYS.values():
            for form in forms:
                with Net() as net:
                    await go(net.outbound(), form)
                opened += len(net.forbidden)
        for way in DIRECT_WAYS:
            for form in REACHABLE:
                with Net() as net:
                    await WAYS[way](net.outbound(*ALLOWED), form)
                unreached += not net.dialled
    return [
        Figure("forms of addresses", len(forms), "", at_least=120),
        Figure("ways on which each is named", len(WAYS), ""),
        Figure("sockets to forbidden addresses", opened, "", at_most=0),
        Figure("listed addresses that are not reached", unreached, "", at_most=0),
    ]
