"""The guard on user-given addresses: what it refuses, and that refusing means no connection attempt."""

import socket
from collections.abc import Mapping, Sequence

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.domain.addresses import is_allowed, parse_target, why_forbidden
from retold.errors import AddressRefused, ConnectFailed, OutboundError
from retold.outbound import Outbound

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

NAMES: Mapping[str, Sequence[str]] = {
    "brain.example.com": ["93.184.215.14"],
    "six.example.com": ["2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
    "xn--bcher-kva.example": ["93.184.215.14"],
    "crm.lan": ["192.168.1.20"],
    "localhost": ["::1", "127.0.0.1"],
    "metadata.google.internal": ["169.254.169.254"],
    "mixed.example.com": ["93.184.215.14", "127.0.0.1"],
    "mapped.example.com": ["::ffff:7f00:1"],
    "scoped.example.com": ["fe80::1%eth0"],
    "nonsense.example.com": ["not-a-number"],
    "127.0.0.1.nip.example": ["127.0.0.1"],
}


class World:
    """A name server and a network that only take notes; spellings of numbers resolve as the C library does it."""

    def __init__(self, names: Mapping[str, Sequence[str]] = NAMES) -> None:
        self.names = names
        self.resolved: list[str] = []
        self.dialled: list[tuple[str, int]] = []

    async def resolve(self, host: str, _port: int) -> Sequence[str]:
        self.resolved.append(host)
        if ":" in host:
            return [host]
        try:
            return [socket.inet_ntoa(socket.inet_aton(host))]
        except OSError:
            if host not in self.names:
                raise
            return self.names[host]

    async def dial(self, address: str, port: int) -> socket.socket:
        self.dialled.append((address, port))
        raise OSError("this network goes nowhere")

    def outbound(self, *allowed: str, demo: str | None = None) -> Outbound:
        return Outbound(allowed, lambda: demo, resolve=self.resolve, dial=self.dial)


FORBIDDEN_HOSTS = [
    # loopback in its spellings
    "127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "2130706433", "0x7f000001", "0x7f.0.0.1", "0x7f.1",
    "017700000001",
    "0177.0.0.1", "0177.1", "00000177.0.0.1", "127.0.0.1.", "0x7F.0x0.0x0.0x1", "127.0x0.1", "localhost", "LOCALHOST",
    "localhost.", "127.0.0.1.nip.example", "[::1]", "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::1.0.0.0]",
    # digits and dots of other scripts, which IDNA turns into ASCII
    "①②⑦.⓪.⓪.①", "１２７.0.0.1", "127。0。0。1", "127．0．0．1", "ⓛocalhost",  # noqa: RUF001
    # unspecified
    "0", "0.0.0.0",  # noqa: S104 - named to be refused
    "0x0", "00", "0.1.2.3", "[::]", "[0::0]",
    # private
    "10.0.0.1", "10.255.255.255", "10.1", "0xa000001", "167772161", "172.16.0.1", "172.31.255.255", "192.168.0.1",
    "192.168.257", "3232235777", "0300.0250.0.1", "0xc0.0xa8.0.1", "crm.lan", "CRM.LAN", "crm.lan.",
    "[fc00::1]", "[fd00:ec2::254]", "[fdff:ffff::1]",
    # link-local and metadata
    "169.254.169.254", "169.254.0.1", "2852039166", "0xa9fea9fe", "0xa9.0xfe.0xa9.0xfe", "0251.0376.0251.0376",
    "169.254.43518", "metadata.google.internal", "[fe80::1]", "[febf::1]", "[fec0::1]", "scoped.example.com",
    "168.63.129.16", "100.100.100.200",
    # carrier-grade NAT
    "100.64.0.1", "100.127.255.255",
    # reserved, documentation, benchmarking
    "192.0.0.1", "192.0.0.170", "192.0.2.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9", "240.0.0.1",
    "255.255.255.255", "4294967295", "0xffffffff", "192.88.99.1", "[2001:db8::1]", "[3fff::1]", "[100::1]", "[5f00::1]",
    "[4000::1]", "[2001:2::1]", "[2001:10::1]",
    # multicast
    "224.0.0.1", "239.255.255.255", "[ff02::1]", "[ff0e::1]",
    # IPv4 inside IPv6
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:10.0.0.1]", "[::ffff:8.8.8.8]", "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::127.0.0.1]", "[::7f00:1]", "mapped.example.com", "[2002:7f00:1::1]", "[2002:a00:1::]", "[2002:5db8:d70e::1]",
    "[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::8.8.8.8]", "[64:ff9b:1::a00:1]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "[2001::1]",
    # names with more than one address
    "mixed.example.com", "nonsense.example.com",
]  # fmt: skip

FORBIDDEN_URLS = [
    "ws://user@brain.example.com/", "ws://user:pass@brain.example.com/", "ws://@brain.example.com/",
    "ws://brain.example.com@127.0.0.1/", "ws://brain.example.com:80@127.0.0.1/", "ws://127.0.0.1\\@brain.example.com/",
    "ws://brain.example.com\\@127.0.0.1/", "ws://127.0.0.1#@brain.example.com/", "ws://127.0.0.1?@brain.example.com/",
    "ws://brain.example.com\t/", "ws://brain.exa\nmple.com/", "ws://brain.example.com/\r\nX-Evil: 1", "ws://\x00/",
    "ws:// 127.0.0.1/", " ws://127.0.0.1/", "ws://127.0.0.1 /", "ws://[::1", "ws://::1/", "ws://[::1%25lo]/",
    "ws://[fe80::1%eth0]/",
    "ws://127.0.0.1%2f@brain.example.com/", "ws://%31%32%37.0.0.1/", "ws://brain.example.com:0/",
    "ws://brain.example.com:65536/",
    "ws://brain.example.com:-1/", "ws://brain.example.com:abc/", "ws:///path", "ws://", "ws:127.0.0.1",
    "//127.0.0.1/", "127.0.0.1",
    "", "file:///etc/passwd", "gopher://127.0.0.1:6379/_x", "ftp://brain.example.com/", "dict://127.0.0.1:11211/",
    "unix:///run/x.sock",
    "javascript:alert(1)", "data:text/plain,hi", "ldap://127.0.0.1/", "jar:http://127.0.0.1!/", "ws+unix:///run/x.sock",
    "retold://other", "retold://demo-brain.evil/", "retold://demo-brain:80/", "retold://user@demo-brain/",
    "retold:demo-brain",
    "retold://demo-brain@127.0.0.1/", "RETOLD://demo-brain", "ws://brain.example.com:22/",
    "ws://brain.example.com:25/", "wss://brain.example.com:53/",
    "ws://" + "a" * 254 + "/", "ws://" + "a" * 64 + ".example/", "ws://a..example/", "ws://./", "ws://.example/",
    "ws://brain.example.com/" + "a" * 9000, "ws://-brain.example.com/",
    "ws://brain..example.com./?", "ws://b ad/",
]  # fmt: skip


@pytest.mark.parametrize("host", FORBIDDEN_HOSTS)
@pytest.mark.parametrize("form", ["ws://{}/llm", "https://{}:8443/llm?a=b"], ids=["ws", "https"])
async def test_a_host_off_the_public_internet_is_refused_unconnected(host: str, form: str) -> None:
    world = World()
    with pytest.raises(AddressRefused, match=r"RETOLD_ALLOW_PRIVATE_HOSTS"):
        await world.outbound().connect_websocket(form.format(host), timeout_s=7)
    assert world.dialled == []


@pytest.mark.parametrize("url", FORBIDDEN_URLS)
async def test_a_url_that_parsers_may_read_differently_is_refused_unconnected(url: str) -> None:
    world = World()
    with pytest.raises(OutboundError):
        await world.outbound(demo="ws://127.0.0.1:8080/demo").connect_websocket(url, timeout_s=7)
    assert world.dialled == []


@pytest.mark.parametrize(
    ("url", "dialled"),
    [
        ("ws://brain.example.com/llm", ("93.184.215.14", 80)),
        ("wss://Brain.Example.com./llm", ("93.184.215.14", 443)),
        ("http://brain.example.com:8080/llm", ("93.184.215.14", 8080)),
        ("https://six.example.com/llm", ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", 443)),
        ("ws://b\u00fccher.example/llm", ("93.184.215.14", 80)),
        ("ws://8.8.8.8/", ("8.8.8.8", 80)),
        ("ws://[2606:4700::1111]:9000/", ("2606:4700::1111", 9000)),
    ],
)
async def test_a_public_address_is_connected_to_as_it_was_checked(url: str, dialled: tuple[str, int]) -> None:
    world = World()
    with pytest.raises(ConnectFailed, match="goes nowhere"):
        await world.outbound().connect_websocket(url.replace("wss", "ws").replace("https", "http"), timeout_s=7)
    secure = url.startswith(("wss", "https"))
    assert world.dialled == [(dialled[0], 80 if secure and dialled[1] == 443 else dialled[1])]
    assert len(world.resolved) == 1


@pytest.mark.parametrize(
    ("allowed", "url", "is_open"),
    [
        (["crm.lan"], "ws://crm.lan:9000/", True),
        (["crm.lan:9000"], "ws://crm.lan:9000/", True),
        (["crm.lan:9000"], "ws://crm.lan:9001/", False),
        (["CRM.lan."], "ws://crm.lan/", True),
        (["lan"], "ws://crm.lan/", False),
        (["*"], "ws://127.0.0.1:5/", True),
        (["127.0.0.1"], "ws://2130706433/", False),
        (["127.0.0.1"], "ws://127.0.0.1:22/", True),
        (["[::1]:9000"], "ws://[0:0::1]:9000/", True),
        (["::1"], "ws://[::1]:9000/", True),
        (["[::1]:9000"], "ws://[::1]:9001/", False),
        (["http://[", "a:b:c", "x:99999", ""], "ws://127.0.0.1/", False),
    ],
)
async def test_the_setting_opens_exactly_what_it_lists(allowed: list[str], url: str, is_open: bool) -> None:
    world = World()
    with pytest.raises(ConnectFailed if is_open else AddressRefused):
        await world.outbound(*allowed).connect_websocket(url, timeout_s=7)
    assert bool(world.dialled) is is_open


async def test_the_refusal_names_host_address_kind_and_setting() -> None:
    with pytest.raises(AddressRefused) as refused:
        await World().outbound().connect_websocket("wss://crm.lan:8443/llm", timeout_s=7)
    assert str(refused.value) == (
        "crm.lan resolves to 192.168.1.20, a private address, which agents may not reach; "
        "if it is meant, list crm.lan:8443 in RETOLD_ALLOW_PRIVATE_HOSTS"
    )


async def test_a_name_server_that_changes_its_mind_is_asked_only_once() -> None:
    answers = [["93.184.215.14"], ["127.0.0.1"]]
    world = World()

    async def rebinding(host: str, port: int) -> Sequence[str]:
        return answers.pop(0)

    with pytest.raises(ConnectFailed):
        await Outbound([], lambda: None, resolve=rebinding, dial=world.dial).connect_websocket(
            "ws://x.example/", timeout_s=7
        )
    assert world.dialled == [("93.184.215.14", 80)]


async def test_the_demo_brain_needs_no_exception() -> None:
    world = World()
    with pytest.raises(ConnectFailed, match="goes nowhere"):
        await world.outbound(demo="ws://127.0.0.1:8080/demo-brain/llm-websocket").connect_websocket(
            "retold://demo-brain/call_1?a=b", timeout_s=7
        )
    assert world.dialled == [("127.0.0.1", 8080)]
    assert world.resolved == []


async def test_the_demo_brain_of_a_server_that_does_not_listen_is_a_failure_not_a_refusal() -> None:
    with pytest.raises(ConnectFailed, match="not listening"):
        await World().outbound().connect_websocket("retold://demo-brain", timeout_s=7)


async def test_an_address_that_swallows_packets_leaves_time_for_the_next() -> None:
    dialled: list[str] = []

    async def dial(address: str, port: int) -> socket.socket:
        dialled.append(address)
        await anyio.sleep(60)
        raise AssertionError

    world = World({"two.example": ["8.8.8.8", "9.9.9.9"]})
    outbound = Outbound([], lambda: None, resolve=world.resolve, dial=dial)
    started_s = anyio.current_time()
    with pytest.raises(ConnectFailed):
        await outbound.connect_websocket("ws://two.example/", timeout_s=7)
    assert dialled == ["8.8.8.8", "9.9.9.9"]
    assert anyio.current_time() - started_s == pytest.approx(7)


async def test_a_name_server_that_never_answers_is_given_up() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        await anyio.sleep(3600)
        return []

    with pytest.raises(ConnectFailed, match="within 7 s"):
        await Outbound([], lambda: None, resolve=resolve).connect_websocket("ws://x.example/", timeout_s=7)


@pytest.mark.parametrize(
    ("given_url", "read"),
    [
        ("http://a.example", "ws://a.example/"),
        ("https://A.example:443/x/../y?q={{name}}&r=ü z#frag", "wss://a.example/x/../y?q={{name}}&r=%C3%BC%20z"),
        ("ws://[2606:4700:0::1]:81/", "ws://[2606:4700::1]:81/"),
        ("wss://a.example:80/%20", "wss://a.example:80/%20"),
    ],
)
def test_a_url_is_rebuilt_in_one_form(given_url: str, read: str) -> None:
    assert parse_target(given_url).url == read
    assert parse_target(read).url == read
    assert parse_target(given_url).web_url == read.replace("ws", "http", 1)


@given(st.text(max_size=80) | st.text(alphabet="ws:/[]@.#?%0123456789abx\\ ", max_size=60).map("ws://".__add__))
def test_any_text_is_parsed_or_refused(url: str) -> None:
    try:
        target = parse_target(url)
    except AddressRefused:
        return
    assert target.url.isascii()
    assert parse_target(target.url) == target


@given(st.ip_addresses())
def test_an_allowed_address_is_global_to_python_too(address: object) -> None:
    text = str(address)
    if why_forbidden(text) is None:
        assert getattr(address, "is_global", False)


@given(st.text(max_size=40), st.text(max_size=20))
def test_any_entry_of_the_setting_is_harmless(host: str, entry: str) -> None:
    if entry != "*" and entry.lower().rstrip(".") != host.lower().rstrip("."):
        is_allowed(host, 80, [entry])
