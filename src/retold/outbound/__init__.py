"""The one guarded way out: connections to addresses that users name.

A name is resolved once, every address it has is checked, and the connection goes to exactly a checked address, so
that a name server cannot answer differently a moment later. TLS and the Host header keep the name. Redirects are
never followed. The rules themselves are in domain/addresses.py.
"""

from retold.outbound.client import Outbound as Outbound
from retold.outbound.websocket import ClientSocket as ClientSocket
from retold.outbound.websocket import SocketClosed as SocketClosed
