"""What flows carry: payload signatures, in one direction at a time. Each flow has ports of its own."""

import struct

from frames import ACK, PSH, SYN, tcp
from scenario import (
    MAIL_SERVER, MAIL_SERVER6, NEIGHBOUR, PASS, SMARTHOST, SUBSCRIBER, SUBSCRIBER6,
    Outcome, Row, Scenario, drop, passes, plain, same,
)

SEEN = passes("payload-signature", "smtp-anywhere")
SMB_ANYWHERE = drop("payload-signature", "smb-anywhere")
SESSION = drop("payload-signature", "netbios-session-anywhere")
SSH = drop("payload-signature", "ssh")
EHLO, MAIL, DATA = b"EHLO client.example\r\n", b"MAIL FROM:<a@client.example>\r\n", b"DATA\r\n"


def smb(identifier: int) -> bytes:
    return struct.pack("!I", 64) + bytes([identifier]) + b"SMB" + bytes(60)


def session_request() -> bytes:
    name = b"\x20" + b"CK" + b"CA" * 15 + b"\0"
    return b"\x81\0" + struct.pack("!H", 2 * len(name)) + 2 * name


class Flow:
    """Segments of one flow, in one direction."""

    def __init__(self, near: str, far: str, port: int, source_port: int, isn: int = 1000) -> None:
        self._ends, self._ports, self._isn = (near, far), (source_port, port), isn

    def segment(self, what: str, at: int, payload: bytes, outcome: Outcome | tuple[Outcome, Outcome], flags: int = ACK | PSH) -> Row:
        """`at`: where in the stream the payload begins, from 1; 0 is the SYN. A pair of outcomes: outbound, inbound."""
        segment = tcp(*self._ports, payload, flags=flags, sequence=(self._isn + at) % 2**32)
        what, frame = f"port {self._ports[1]}: {what}", plain(*self._ends, segment)
        return Row(what, frame, *outcome) if isinstance(outcome, tuple) else same(what, frame, outcome)

    def stream(self, what: str, *parts: tuple[bytes, Outcome]) -> list[Row]:
        rows, at = [self.segment(f"{what}, SYN", 0, b"", PASS, SYN)], 1
        for number, (payload, outcome) in enumerate(parts, 1):
            rows.append(self.segment(f"{what}, segment {number}", at, payload, outcome))
            at += len(payload)
        return rows


def payload_signatures() -> Scenario:
    rows, ports = [], iter(range(41000, 42000))

    def stream(port: int, what: str, *parts: tuple[bytes, Outcome], near: str = SUBSCRIBER, far: str = MAIL_SERVER) -> None:
        rows.extend(Flow(near, far, port, next(ports)).stream(what, *parts))

    for near, far in ((SUBSCRIBER, MAIL_SERVER), (SUBSCRIBER6, MAIL_SERVER6)):
        ends = {"near": near, "far": far}
        stream(2526, "a mail client", (EHLO, PASS), (MAIL, SEEN), (DATA, SEEN), **ends)
        stream(4450, "SMB 1", (smb(0xFF), SMB_ANYWHERE), (b"more", SMB_ANYWHERE), **ends)
        stream(4451, "SMB 2", (smb(0xFE), SMB_ANYWHERE), **ends)
    stream(80, "a mail client that says all at once", (EHLO + MAIL, SEEN))
    stream(2526, "a mail client in small pieces", *((bytes([byte]), PASS) for byte in b"EH"), (EHLO[2:] + MAIL[:5], PASS), (MAIL[5:], SEEN))
    stream(2526, "a mail client in lower case", (EHLO.lower(), PASS), (MAIL.lower(), SEEN))
    stream(2526, "a mail server", (b"220 mx.example ESMTP Postfix\r\n", PASS), (b"250-mx.example\r\n", SEEN))
    stream(2526, "a mail server with a long greeting", (b"220-mx.example ESMTP\r\n220-no spam\r\n", PASS), (b"220 ready\r\n", PASS), (b"250 mx.example\r\n", SEEN))
    stream(21, "an FTP server", (b"220 (vsFTPd 3.0.3)\r\n", PASS), (b"331 Please specify the password.\r\n", PASS), (b"250 Directory changed\r\n", PASS))
    stream(21, "an FTP client", (b"USER anonymous\r\n", PASS), (b"PASS x\r\n", PASS), (MAIL, PASS))
    stream(80, "a web client", (b"POST /EHLO HTTP/1.1\r\n\r\n", PASS), (EHLO, PASS), (MAIL, PASS))
    for port in (465, 587):
        stream(port, "mail submission", (EHLO, PASS), (MAIL, PASS))
    stream(2525, "a port left alone", (EHLO, PASS), (MAIL, PASS))
    stream(2526, "to a smarthost", (EHLO, PASS), (MAIL, (passes("smarthost", "smtp-anywhere"), SEEN)), far=SMARTHOST)
    stream(4450, "SMB of an exempt subscriber", (smb(0xFE), (passes("exempt", "smb-anywhere"), SMB_ANYWHERE)), near=NEIGHBOUR)
    for identifier in (0xFD, 0xFC):
        stream(4450, f"SMB 3, 0x{identifier:02X}", (smb(identifier), SMB_ANYWHERE))
    for identifier in (0xFB, 0x00):
        stream(4450, f"no SMB, 0x{identifier:02X}", (smb(identifier), PASS), (smb(0xFE), PASS))
    stream(4450, "SMB that has another length", (b"\x01" + smb(0xFE)[1:], PASS))
    stream(1390, "a NetBIOS session", (session_request(), SESSION))
    stream(1390, "no NetBIOS session", (session_request().replace(b"CA", b"xx"), PASS))
    stream(2222, "a pattern", (b"SSH-2.0-OpenSSH_9.2\r\n", SSH), (b"more", SSH))
    stream(2222, "nearly the pattern", (b"ssh-2.0-OpenSSH_9.2\r\n", PASS))

    late = Flow(SUBSCRIBER, MAIL_SERVER, 2526, next(ports), isn=2**32 - 10)
    rows += [
        late.segment("out of order, SYN", 0, b"", PASS, SYN),
        late.segment("out of order, the second segment first", 1 + len(EHLO), MAIL, PASS),
        late.segment("out of order, again", 1 + len(EHLO), MAIL, PASS),
        late.segment("out of order, the first segment", 1, EHLO, SEEN),
        late.segment("out of order, no payload", 1 + len(EHLO + MAIL), b"", SEEN, ACK),
    ]
    middle = Flow(SUBSCRIBER, MAIL_SERVER, 4450, next(ports))
    rows += [
        middle.segment("no SYN was seen, the second half first", 41, smb(0xFE)[40:], PASS),
        middle.segment("no SYN was seen, the first half", 1, smb(0xFE)[:40], SMB_ANYWHERE),
    ]

    # Which port is left alone is the server's: who was called tells, not what port a client takes. Without the SYN, what
    # is said tells; and where nothing tells, either port will do.
    for port in (464, 466, 586, 588):
        stream(port, "beside mail submission", (EHLO, PASS), (MAIL, SEEN))
    for port in (465, 587):
        rows += Flow(SUBSCRIBER, MAIL_SERVER, 2526, port).stream(f"a mail client's own port {port}", (EHLO, PASS), (MAIL, SEEN))
        rows += Flow(SUBSCRIBER, MAIL_SERVER, 4450, port).stream(f"SMB from port {port}", (smb(0xFE), SMB_ANYWHERE))
        rows += Flow(SUBSCRIBER, MAIL_SERVER, port, 2526).stream("mail submission from an odd port", (EHLO, PASS), (MAIL, PASS))
        unseen = Flow(SUBSCRIBER, MAIL_SERVER, 2527, port)
        rows.append(unseen.segment(f"a mail client's own port {port}, no SYN was seen", 1, EHLO + MAIL, SEEN))
        unseen = Flow(SUBSCRIBER, MAIL_SERVER, 4451, port)
        rows.append(unseen.segment(f"SMB from port {port}, no SYN was seen", 1, smb(0xFE), PASS))
    return Scenario("payload-signatures", "What a flow carries is found on any port, but for mail submission and ports left alone",
                    "RFC 5321, MS-SMB2 section 2.1, RFC 1002 section 4.3.2", rows, ())


SCENARIOS = (payload_signatures(),)
