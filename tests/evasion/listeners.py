"""Real Linux TCP listeners in net: they write down every connection and every byte that an application gets."""

import selectors
import socket
import threading
from dataclasses import dataclass, field

from namespaces import inside

BACKLOG = 4096


@dataclass
class Received:
    accepted: int = 0
    data: bytearray = field(default_factory=bytearray)


def plain_address(address: str) -> str:
    return address.removeprefix("::ffff:")


class Listeners:
    """Call from any thread; one thread of its own reads the sockets."""

    def __init__(self, namespace: str, tcp_ports: tuple[int, ...], udp_ports: tuple[int, ...]) -> None:
        self._namespace = namespace
        self._lock = threading.Lock()
        self._received: dict[tuple[str, int], Received] = {}  # by subscriber address and server port
        self._changed = threading.Condition(self._lock)
        self._selector = selectors.DefaultSelector()
        self._stop_reader, self._stop_writer = socket.socketpair()
        self._selector.register(self._stop_reader, selectors.EVENT_READ, None)
        with inside(namespace):
            for port in tcp_ports:
                self._watch(self._listening(port), port, self._accept)
            for port in udp_ports:
                self._watch(self._bound(socket.SOCK_DGRAM, port), port, self._datagram)
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop_writer.send(b"x")
        self._thread.join(timeout=10)

    def received(self, address: str, port: int) -> Received:
        with self._lock:
            found = self._received.get((address, port), Received())
            return Received(found.accepted, bytearray(found.data))

    def wait_for(self, address: str, port: int, data: bytes, timeout: float) -> bool:
        """Whether `data` and nothing else arrives within `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(
                lambda: bytes(self._received.get((address, port), Received()).data) == data, timeout
            )

    def connect_from(self, port: int, address: str, their_port: int) -> None:
        """Opens a connection from a server port, as a server that calls back would. What comes in is recorded."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with inside(self._namespace):
            connector = socket.socket(family, socket.SOCK_STREAM)
        connector.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        connector.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        connector.setblocking(False)
        connector.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
        connector.connect_ex((address, their_port))
        self._selector.register(connector, selectors.EVENT_WRITE, lambda s: self._connected(s, (address, port)))

    def _bound(self, kind: int, port: int) -> socket.socket:
        out = socket.socket(socket.AF_INET6, kind)
        out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        out.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        out.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        out.setblocking(False)
        out.bind(("::", port))
        return out

    def _listening(self, port: int) -> socket.socket:
        out = self._bound(socket.SOCK_STREAM, port)
        out.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)  # urgent bytes are bytes too
        out.listen(BACKLOG)
        return out

    def _watch(self, one: socket.socket, port: int, handle) -> None:
        self._selector.register(one, selectors.EVENT_READ, lambda s: handle(s, port))

    def _loop(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                key.data(key.fileobj)

    def _accept(self, listener: socket.socket, port: int) -> None:
        connection, peer = listener.accept()
        connection.setblocking(False)
        key = (plain_address(peer[0]), port)
        self._note(key, accepted=1)
        self._selector.register(connection, selectors.EVENT_READ, lambda s: self._read(s, key))

    def _connected(self, connection: socket.socket, key: tuple[str, int]) -> None:
        self._selector.unregister(connection)
        if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0:
            connection.close()
            return
        self._note(key, accepted=1)
        self._selector.register(connection, selectors.EVENT_READ, lambda s: self._read(s, key))

    def _read(self, connection: socket.socket, key: tuple[str, int]) -> None:
        try:
            data = connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._note(key, data=data)
        else:
            self._selector.unregister(connection)
            connection.close()

    def _datagram(self, one: socket.socket, port: int) -> None:
        data, peer = one.recvfrom(65536)
        self._note((plain_address(peer[0]), port), data=data)

    def _note(self, key: tuple[str, int], accepted: int = 0, data: bytes = b"") -> None:
        with self._changed:
            received = self._received.setdefault(key, Received())
            received.accepted += accepted
            received.data += data
            self._changed.notify_all()
