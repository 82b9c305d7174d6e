"""How often one may ask: so many requests a second with one key, so many wrong keys a minute from one address."""

import ipaddress

from starlette.requests import HTTPConnection

from retold.clock import Clock
from retold.domain.token_bucket import TokenBuckets
from retold.errors import RateLimited
from retold.ids import KeyId
from retold.settings import Settings

_IPV6_SITE_BITS = 64
"""What one customer of an access provider has of IPv6 addresses: they count as one."""


class RateLimits:
    """The buckets of one server."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._requests = TokenBuckets(settings.rate_limit_per_s, burst=max(1, settings.rate_limit_per_s))
        self._failures = TokenBuckets(
            settings.failed_keys_per_minute / 60, burst=max(1, settings.failed_keys_per_minute)
        )

    def count_request(self, key_id: KeyId) -> None:
        """Count a request with this key. Raises RateLimited."""
        if wait_s := self._requests.take(key_id, self._now_s()):
            raise RateLimited(
                wait_s, fix="ask less often; the server's RETOLD_RATE_LIMIT_PER_S says how often it takes"
            )

    def count_failure(self, address: str) -> None:
        """Count a key that will turn out to be wrong, before it is looked up. Raises RateLimited."""
        if wait_s := self._failures.take(address, self._now_s()):
            raise RateLimited(wait_s, fix="too many wrong API keys came from this address; check the key")

    def forgive_failure(self, address: str) -> None:
        """The key was right."""
        self._failures.give_back(address, self._now_s())

    def _now_s(self) -> float:
        return self._clock.monotonic_ms() / 1000


def address_of(connection: HTTPConnection) -> str:
    """The address that wrong keys are counted for."""
    host = connection.client.host if connection.client else "unknown"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _IPV6_SITE_BITS), strict=False))
