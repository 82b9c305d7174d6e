"""Which addresses a user may make this server connect to; pure, the network is in outbound/.

Refused are all addresses that are not global unicast (RFC 6890 registries), and those forms of IPv6 that carry an
IPv4 address inside, because what they reach depends on the network in between.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from retold.errors import AddressRefused

SETTING: Final = "RETOLD_ALLOW_PRIVATE_HOSTS"
WEBSOCKET_SCHEMES: Final[Mapping[str, bool]] = {"ws": False, "wss": True, "http": False, "https": True}
"""Whether an address of this scheme is reached through TLS."""
WEB_SCHEMES: Final[Mapping[str, bool]] = {"http": False, "https": True}
_MAX_URL_CHARS: Final = 8192
_HOST: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?|[0-9a-f:.]{2,45}")
_NOT_OF_A_URL: Final = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")
_KEPT_IN_PATH: Final = "/:@!$&'()*+,;=~%?{}[]|^"
_FIRST_UNPRIVILEGED_PORT: Final = 1024

_FORBIDDEN: Final = tuple(
    (ipaddress.ip_network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "cloud metadata"),  # a public number that Azure serves inside every machine
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("::ffff:0:0/96", "IPv4-mapped"),
        ("::/96", "IPv4-compatible"),
        ("64:ff9b::/96", "NAT64"),
        ("64:ff9b:1::/48", "NAT64"),
        ("100::/64", "discard"),
        ("2001::/32", "Teredo"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "documentation"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)
_GLOBAL_UNICAST_V6: Final = ipaddress.ip_network("2000::/3")


@dataclass(frozen=True, slots=True)
class Target:
    """An address taken apart; `host` is lower case without brackets, `resource` is path and query in ASCII."""

    is_secure: bool
    host: str
    port: int
    resource: str

    @property
    def url(self) -> str:
        """The address of a websocket, in the one form all parsers read alike."""
        return self._written("wss" if self.is_secure else "ws")

    @property
    def web_url(self) -> str:
        """The address for HTTP, in the same form."""
        return self._written("https" if self.is_secure else "http")

    @property
    def authority(self) -> str:
        """Host and port, as the Host header names them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default_port = 443 if self.is_secure else 80
        return host if self.port == default_port else f"{host}:{self.port}"

    def _written(self, scheme: str) -> str:
        return f"{scheme}://{self.authority}{self.resource}"


def parse_target(url: str, schemes: Mapping[str, bool] = WEBSOCKET_SCHEMES) -> Target:
    """Take a user's URL apart; for a websocket, http and https count as ws and wss. Raises AddressRefused.

    The refusal never quotes path or query, which may hold a secret.
    """
    if len(url) > _MAX_URL_CHARS or _NOT_OF_A_URL.search(url):
        raise AddressRefused("the address holds a control character or backslash, or is too long")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = _normal_host(parts.hostname or "")
    except ValueError as error:
        raise AddressRefused(f"the address is malformed: {error}") from error
    if parts.scheme not in schemes:
        *first, last = schemes
        raise AddressRefused(f"the address has the scheme {parts.scheme!r}; use {', '.join(first)} or {last}")
    if "@" in parts.netloc:
        raise AddressRefused("an address may not hold a user name or password; put a secret in its path or query")
    is_secure = schemes[parts.scheme]
    if port is None:
        port = 443 if is_secure else 80
    if port == 0 or not _HOST.fullmatch(host):
        raise AddressRefused(f"the address names no usable host and port: {host!r}, {port}")
    resource = quote(parts.path or "/", safe=_KEPT_IN_PATH)
    if parts.query:
        resource += "?" + quote(parts.query, safe=_KEPT_IN_PATH)
    return Target(is_secure=is_secure, host=host, port=port, resource=resource)


def is_allowed(host: str, port: int, allowed: Iterable[str]) -> bool:
    """Whether the list of `host`, `host:port` or `*` exempts this host as it was written in the URL."""
    for entry in allowed:
        if entry == "*":
            return True
        try:
            parts = (
                urlsplit("//" + entry) if entry.count(":") <= 1 or entry.startswith("[") else urlsplit(f"//[{entry}]")
            )
            if _normal_host(parts.hostname or "") == host and parts.port in {None, port}:
                return True
        except ValueError:
            continue
    return False


def refuse_forbidden(target: Target, addresses: Sequence[str], allowed: Iterable[str]) -> None:
    """Raise AddressRefused unless every address the host resolved to, and the port, may be connected to.

    One forbidden address among good ones is enough: a name that mixes them is how a guard is fooled.
    """
    if is_allowed(target.host, target.port, allowed):
        return
    if target.port < _FIRST_UNPRIVILEGED_PORT and target.port not in {80, 443}:
        raise AddressRefused(
            f"{target.host} is named with port {target.port}, which serves other protocols; "
            f"if it is meant, list {target.host}:{target.port} in {SETTING}"
        )
    for address in addresses:
        kind = why_forbidden(address)
        if kind is not None:
            raise AddressRefused(
                f"{target.host} resolves to {address}, a {kind} address, which agents may not reach; "
                f"if it is meant, list {target.host}:{target.port} in {SETTING}"
            )


def why_forbidden(address: str) -> str | None:
    """The kind of special network a numeric address is in; None when it is global unicast."""
    try:
        number = ipaddress.ip_address(address)
    except ValueError:
        return "malformed"
    for network, kind in _FORBIDDEN:
        if number.version == network.version and number in network:
            return kind
    if number.version == 6 and number not in _GLOBAL_UNICAST_V6:
        return "not global"
    return None


def _normal_host(host: str) -> str:
    """The host in lower-case ASCII without the root's dot; raises ValueError when it is no host name."""
    host = host.removesuffix(".")
    if ":" in host:
        return str(ipaddress.IPv6Address(host))
    # Also for plain ASCII: the codec refuses labels that are empty or over 63 characters, as the resolver would.
    return host.encode("idna").decode().lower().removesuffix(".")
