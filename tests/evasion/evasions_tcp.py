"""TCP: the plain case, handshakes of other shapes, and both directions."""

from client import INITIAL_SEQUENCE
from evasion import Attempt, Evasion, connect_and_talk
from frames import ACK, CWR, ECE, FIN, PSH, SYN, URG, ethernet, ipv4, udp
from namespaces import FAR_NAT64, SMARTHOST4, SMARTHOST6, SMARTHOST_NAT64


def syn_with_data(attempt: Attempt) -> None:
    """RFC 7413 without a cookie: the application has the data before the handshake ends."""
    conversation = attempt.conversation()
    conversation.connect(SYN, attempt.data)


def odd_syn(flags: int):
    def attack(attempt: Attempt) -> None:
        conversation = attempt.conversation()
        if conversation.connect(flags):
            conversation.talk(attempt.data)
    return attack


def odd_data(flags: int):
    def attack(attempt: Attempt) -> None:
        conversation = attempt.conversation()
        if conversation.connect():
            conversation.talk(attempt.data, flags)
    return attack


def byte_by_byte(attempt: Attempt) -> None:
    conversation = attempt.conversation()
    if conversation.connect():
        for i in range(8):
            if not conversation.talk(attempt.data[i : i + 1]):
                return
        conversation.talk(attempt.data[8:])


def split_handshake(attempt: Attempt) -> None:
    """The server opens the connection; the subscriber answers with a SYN, as if it had opened it."""
    attempt.listeners.connect_from(attempt.port, attempt.near, 40001)
    conversation = attempt.conversation()
    opened = conversation.wait(lambda a: a.flags & SYN)
    if opened is not None:
        conversation.acknowledgement = opened.sequence + 1
    answer_with_syn(conversation, attempt.data)


def simultaneous_open(attempt: Attempt) -> None:
    """Both ends open the connection; neither waits for the other."""
    attempt.listeners.connect_from(attempt.port, attempt.near, 40001)
    answer_with_syn(attempt.conversation(), attempt.data)


def answer_with_syn(conversation, data: bytes) -> None:
    """RFC 9293 section 3.5, figure 8."""
    for _ in range(3):
        conversation.send(conversation.segment(SYN))
        answer = conversation.wait(lambda a: a.flags & ACK and a.acknowledgement == INITIAL_SEQUENCE + 1)
        if answer is not None:
            conversation.sequence = answer.acknowledgement
            conversation.acknowledgement = answer.sequence + 1
            conversation.send(conversation.segment(ACK))
            conversation.talk(data)
            return


def triangular(attempt: Attempt) -> None:
    """An accomplice sends in the subscriber's name on a way of its own; the subscriber hands it the answers."""
    conversation = attempt.conversation(beside=True)
    if conversation.connect():
        for _ in range(3):
            conversation.send(conversation.segment(PSH | ACK, attempt.data), beside=True)
            if attempt.listeners.wait_for(attempt.near, attempt.port, attempt.data, 0.5):
                return


def datagram(attempt: Attempt) -> None:
    attempt.wire.send([ethernet(ipv4(attempt.near, attempt.far, udp(40001, attempt.port, attempt.data)))])


def plain_cases() -> list[Evasion]:
    return [
        Evasion("tcp-to-port-25", "RFC 5068 section 4", "plain TCP"),
        Evasion("tcp-to-port-25-ipv6", "RFC 5068 section 4", "plain TCP over IPv6", family=6),
        Evasion("tcp-to-port-445", "published operator lists", "SMB", port=445, mirror=587),
        Evasion("tcp-to-port-139", "published operator lists", "NetBIOS sessions over IPv6", port=139, mirror=587, family=6),
        Evasion("source-in-no-pool", "RFC 2827 section 3", "a source that nobody was given", near="198.51.100.{}", beside_too=False),
        Evasion("source-in-no-pool-ipv6", "RFC 2827 section 3", "the same over IPv6", family=6, near="2001:db8:bad::{}", beside_too=False),
        Evasion("nat64-to-another-server", "RFC 6052", "the NAT64 form of a server that is no smarthost", family=6, far=FAR_NAT64),
        Evasion("smarthost", "RFC 5068 section 4", "mail to a smarthost is not stopped", far=SMARTHOST4, harmless=True),
        Evasion("smarthost-ipv6", "RFC 5068 section 4", "the same over IPv6", family=6, far=SMARTHOST6, harmless=True),
        Evasion("smarthost-nat64", "RFC 6052", "the NAT64 form of a smarthost", family=6, far=SMARTHOST_NAT64, harmless=True),
        Evasion("smb-to-a-smarthost", "published operator lists", "a smarthost is excepted for mail only", far=SMARTHOST4, port=445, mirror=587),
        Evasion("udp-to-port-25", "RFC 768", "UDP to port 25 is nobody's mail", attack=datagram, beside_too=False, harmless=True),
    ]


def handshakes() -> list[Evasion]:
    source = "Beardsley and Qian, TCP split handshake; RFC 9293 section 3.5"
    out = []
    for family in (4, 6):
        suffix = "" if family == 4 else "-ipv6"
        out += [
            Evasion(f"split-handshake{suffix}", source, "the server calls, the subscriber answers with a SYN", attack=split_handshake, family=family, beside_too=False),
            Evasion(f"simultaneous-open{suffix}", source, "both call at once", attack=simultaneous_open, family=family, beside_too=False),
            Evasion(f"triangular-spamming{suffix}", "Qian et al. 2010", "an accomplice sends elsewhere, only the answers come in", attack=triangular,
                    family=family, beside_too=False),
            Evasion(f"syn-with-data{suffix}", "RFC 7413", "data in the SYN", attack=syn_with_data, family=family, beside_too=False),
        ]
    return out


def flags() -> list[Evasion]:
    source = "RFC 9293 section 3.1, RFC 3168 section 6.1.1"
    return [
        Evasion("syn-with-ecn", source, "a SYN with ECE and CWR", attack=odd_syn(SYN | ECE | CWR), beside_too=False),
        Evasion("syn-with-push-and-urgent", source, "a SYN with PSH and URG", attack=odd_syn(SYN | PSH | URG), beside_too=False),
        Evasion("data-with-fin", source, "data and FIN in one segment", attack=odd_data(FIN | ACK)),
        Evasion("data-with-every-harmless-flag", source, "data with FIN, PSH, URG, ECE and CWR", attack=odd_data(FIN | PSH | ACK | URG | ECE | CWR)),
        Evasion("data-byte-by-byte", source, "segments of one byte", attack=byte_by_byte),
        Evasion("segments-without-syn", source, "the handshake took another way, only data come by", attack=connect_and_talk, family=6),
    ]


EVASIONS = [*plain_cases(), *handshakes(), *flags()]
