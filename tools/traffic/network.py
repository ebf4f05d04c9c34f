"""The address plan: who the subscribers are, who is outside, and the policy that says so.

Documentation and benchmarking addresses only (RFC 5737, RFC 3849, RFC 2544, RFC 6598). Subscriber number i is always
at the same place, whatever the number of subscribers, and neighbours in number are not neighbours in address.
"""

import struct
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import NamedTuple

from traffic.wire import Encapsulation


class Prefix(NamedTuple):
    """What the filter counts under: one prefix of a subscriber. `address` has its host bits zero."""

    address: bytes
    length: int

    def __str__(self):
        is_one_address = self.length == 8 * len(self.address)
        return text_of(self.address) + ("" if is_one_address else f"/{self.length}")


class Endpoint(NamedTuple):
    """A subscriber's host, in one family."""

    address: bytes
    subscriber: Prefix
    encapsulation: Encapsulation


def ip4(text):
    return inet_pton(AF_INET, text)


def ip6(text):
    return inet_pton(AF_INET6, text)


def text_of(address):
    return inet_ntop(AF_INET if len(address) == 4 else AF_INET6, address)


# Outside. The smarthosts are the provider's too, but stand beyond the wire that the filter sits in.
SMARTHOST, SMARTHOST_IPV6 = ip4("192.0.2.65"), ip6("2001:db8:25::25")
PARTNER_SMARTHOST, PARTNER_SMARTHOST_IPV6 = ip4("203.0.113.130"), ip6("2001:db8:f025::25")
NAT64_SMARTHOST, NAT64_STRANGER = ip6("64:ff9b::192.0.2.65"), ip6("64:ff9b::198.51.100.25")
RESOLVER, RESOLVER_IPV6 = ip4("192.0.2.53"), ip6("2001:db8:53::53")
ROUTER, ROUTER_IPV6 = ip4("203.0.113.1"), ip6("2001:db8:f000::1")

SUBSCRIBERS_MAX = 1 << 22  # of 100.64.0.0/10
_SMALL_POOL = 1 << 16  # of 100.64.0.0/16
_IPV6_POOL = 1 << 20  # /56 prefixes of 2001:db8:1000::/36
_BUSINESS_MAX = 200

# Odd, so that multiplying by it permutes any power of two.
_SCATTER = 40503
# Where subscriber 0 lives: 100.64.7.9 and 2001:db8:1007:900::/56, as in the examples of the documentation.
_ORIGIN = 7 << 8 | 9

_UNUSUAL_LINKS = {
    12: Encapsulation.VLAN,
    13: Encapsulation.QINQ,
    14: Encapsulation.PPPOE,
    15: Encapsulation.MPLS,
}
_LINK_PERIOD = 16


class Network:
    """Subscribers by number. Of the residential ones, 0 is exempt from the rule smtp, 1 to `bots` send spam, then
    follow one with a worm that scans for SMB, one that relays for triangular spam, and the ordinary ones."""

    ROLES = 3  # exempt, worm, relay: residential subscribers that are neither bots nor ordinary
    BUSINESS_MIN = 4
    EXEMPT = 0

    def __init__(self, subscribers, bots):
        self.business_count = max(self.BUSINESS_MIN, min(subscribers // 10, _BUSINESS_MAX))
        self.residential_count = subscribers - self.business_count
        self.bots = range(1, 1 + bots)
        self.worm = 1 + bots
        self.relay = 2 + bots
        self.ordinary = range(3 + bots, self.residential_count)
        self._pool = _SMALL_POOL if self.residential_count <= _SMALL_POOL else SUBSCRIBERS_MAX

    @staticmethod
    def fewest_subscribers(bots):
        """Every role, and ordinary subscribers on every kind of link."""
        return Network.BUSINESS_MIN + Network.ROLES + bots + 2 * _LINK_PERIOD

    @staticmethod
    def has_ipv6(index):
        """A third of the residential subscribers also has an IPv6 prefix."""
        return index % 3 == 0 and index < _IPV6_POOL

    def residential(self, index, use_ipv6=False):
        link = _UNUSUAL_LINKS.get(index % _LINK_PERIOD, Encapsulation.PLAIN)
        scattered = _ORIGIN + index * _SCATTER
        if use_ipv6:
            return _ipv6_endpoint(0x20010DB81 << 20 | scattered % _IPV6_POOL, 56, link)
        return _ipv4_endpoint(0x64400000 + scattered % self._pool, link)

    def business(self, index, use_ipv6=False):
        if use_ipv6:
            return _ipv6_endpoint(0x20010DB82 << 12 | index, 48, Encapsulation.PLAIN)
        return _ipv4_endpoint(0xC6336400 + 10 + index, Encapsulation.PLAIN)

    def mail_server(self, index, use_ipv6=False):
        if use_ipv6:
            return Endpoint(ip6(f"2001:db8:24::{25 + index:x}"), Prefix(ip6("2001:db8:24::"), 64), Encapsulation.PLAIN)
        return _ipv4_endpoint(0xC0000218 + index, Encapsulation.PLAIN)

    def ordinary_on(self, link, use_ipv6=False):
        """An ordinary subscriber behind that link."""
        wanted = (
            index
            for index in self.ordinary
            if (self.has_ipv6(index) or not use_ipv6)
            and _UNUSUAL_LINKS.get(index % _LINK_PERIOD, Encapsulation.PLAIN) is link
        )
        return self.residential(next(wanted), use_ipv6)

    def policy(self):
        """The policy file. Its rules are the built-in ones."""
        return _POLICY.format(
            residential_length=16 if self._pool == _SMALL_POOL else 10,
            exempt=text_of(self.residential(self.EXEMPT).address),
            exempt_ipv6=self.residential(self.EXEMPT, use_ipv6=True).subscriber,
        )


def _ipv4_endpoint(number, link):
    address = struct.pack("!I", number)
    return Endpoint(address, Prefix(address, 32), link)


def _ipv6_endpoint(number, length, link):
    """The host ::25 in the first network of the prefix with that number."""
    prefix = (number << (128 - length)).to_bytes(16, "big")
    return Endpoint(prefix[:15] + b"\x25", Prefix(prefix, length), link)


def outside_host(rng, use_ipv6):
    """Anyone, anywhere: 198.18.0.0/15 or 2001:db8:f000::/36."""
    if use_ipv6:
        return (0x20010DB8F << 92 | rng.getrandbits(92)).to_bytes(16, "big")
    return struct.pack("!I", 0xC6120000 | rng.getrandbits(17))


SMARTHOSTS_LIST = """\
# Mail servers of partners that subscribers may send to. One address or prefix a line.
203.0.113.128/29        # hosting partner
2001:db8:f025::25       # the same, IPv6
"""

_POLICY = """\
# The policy of the sample capture: a provider's border with every kind of subscriber.
# Written by tools/generate_traffic. All addresses are for documentation and benchmarks.
version = 1

[[pool]]
prefix = "100.64.0.0/{residential_length}"
class = "residential"

[[pool]]                          # a /56 each, the default
prefix = "2001:db8:1000::/36"
class = "residential"

[[pool]]
prefix = "198.51.100.0/24"
class = "business"

[[pool]]
prefix = "2001:db8:2000::/36"
subscriber_prefix_length = 48
class = "business"

[[pool]]                          # the provider's own mail servers send to port 25
prefix = "192.0.2.24/29"
class = "infrastructure"

[[pool]]
prefix = "2001:db8:24::/64"
class = "infrastructure"

[[class]]
name = "residential"
drop = ["smtp", "netbios-smb"]

[[class]]
name = "business"
drop = ["netbios-smb"]
monitor = ["smtp"]                # counted, and forwarded

[[class]]
name = "infrastructure"
drop = []

[unattributed]
class = "residential"

[smarthosts]
addresses = ["192.0.2.64/28", "2001:db8:25::/64"]
files = ["smarthosts.list"]

[[exemption]]
subscriber = "{exempt}"
rules = ["smtp"]
reason = "own mail server"
reference = "ticket 4711"

[[exemption]]
subscriber = "{exempt_ipv6}"
rules = ["smtp"]
reason = "own mail server"
reference = "ticket 4711"

[unclassifiable]
default = "drop"
"""
