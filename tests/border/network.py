"""The border: subscribers, the filter's place, the internet, and a far network behind a link with a small MTU.

    sub --s0======m0-- mid --m1======n0-- net --n1======f0-- far        (n1, f0: MTU 1400)

`sub` holds two customers, told apart by their address. Which one calls is chosen by whom is called: the routes name the
source. Servers have an address for each of them, so that any program can be the client of either.
"""

import dataclasses

from netns import Namespaces

FAR_MTU = 1400
QUIET_INTERFACE = "quiet0"  # of sub and net: leads nowhere


@dataclasses.dataclass(frozen=True)
class Customer:
    """A subscriber: its addresses, the slots that these are counted under, and the foreign servers that it calls."""

    near4: str
    near6: str
    slot4: str
    slot6: str
    foreign4: str
    foreign6: str


# `residential` drops both rules; `business` is what the policy of the moment says.
RESIDENTIAL = Customer(
    "100.64.0.10", "2001:db8:1000::10", "100.64.0.10", "2001:db8:1000::/56", "203.0.113.25", "2001:db8:f00::25"
)
BUSINESS = Customer(
    "100.64.1.10", "2001:db8:1001::10", "100.64.1.10", "2001:db8:1001::/56", "203.0.113.125", "2001:db8:f00::125"
)
CUSTOMERS = (RESIDENTIAL, BUSINESS)
SMARTHOST4, SMARTHOST6 = "192.0.2.25", "2001:db8:25::25"
FAR4, FAR6 = "198.51.100.2", "2001:db8:fa::2"
GATEWAYS = (("100.64.0.1", "2001:db8:1000::1"), ("100.64.1.1", "2001:db8:1001::1"))

# Counts in the namespace that sends, behind all routing: what the filter must have received of each customer.
COUNTERS = """
table inet sent {{
{counters}
  chain leaving {{
    type filter hook postrouting priority 300;
{rules}
  }}
}}
"""


class Border(Namespaces):
    def __init__(self):
        super().__init__("portcullis-border", "sub", "mid", "net", "far")

    def __enter__(self):
        super().__enter__()
        try:
            self._build()
        except BaseException:
            self.remove()
            raise
        return self

    def _build(self):
        # The filter's own ports say nothing: no neighbour discovery of this kernel's crosses it.
        self.sysctl("mid", ipv6__conf__all__disable_ipv6=1, ipv6__conf__default__disable_ipv6=1)
        for name in ("sub", "net", "far"):
            self.sysctl(
                name,
                ipv6__conf__all__accept_ra=0, ipv6__conf__default__accept_ra=0,
                ipv6__conf__all__accept_dad=0, ipv6__conf__default__accept_dad=0,
                ipv4__conf__all__rp_filter=0, ipv4__conf__default__rp_filter=0,
                ipv4__ping_group_range="0 2147483647",
            )  # fmt: skip
        self.sysctl("net", ipv4__ip_forward=1, ipv6__conf__all__forwarding=1)
        self.veth("sub", "s0", "mid", "m0")
        self.veth("mid", "m1", "net", "n0")
        self.veth("net", "n1", "far", "f0")
        for name, device in (("net", "n1"), ("far", "f0")):
            self.ip(name, "link", "set", device, "mtu", str(FAR_MTU))
        for customer, (gateway4, gateway6) in zip(CUSTOMERS, GATEWAYS):
            self._address("sub", "s0", f"{customer.near4}/24", f"{customer.near6}/64")
            self._address("net", "n0", f"{gateway4}/24", f"{gateway6}/64")
            self._address("net", "lo", f"{customer.foreign4}/32", f"{customer.foreign6}/128")
            self._route("sub", customer.foreign4, gateway4, customer.near4)
            self._route("sub", customer.foreign6, gateway6, customer.near6)
        self._address("net", "lo", f"{SMARTHOST4}/32", f"{SMARTHOST6}/128")
        self._route("sub", "0.0.0.0/0", GATEWAYS[0][0], RESIDENTIAL.near4)
        self._route("sub", "::/0", GATEWAYS[0][1], RESIDENTIAL.near6)
        self._address("net", "n1", "198.51.100.1/24", "2001:db8:fa::1/64")
        self._address("far", "f0", f"{FAR4}/24", f"{FAR6}/64")
        self._route("far", "0.0.0.0/0", "198.51.100.1", FAR4)
        self._route("far", "::/0", "2001:db8:fa::1", FAR6)
        for name, address in (("sub", "10.99.1.1/24"), ("net", "10.99.2.1/24")):
            self.veth(name, QUIET_INTERFACE, name, "quiet1")
            self.ip(name, "address", "add", address, "broadcast", "+", "dev", QUIET_INTERFACE)
        self._count("sub", "saddr")
        self._count("net", "daddr")

    def _address(self, name, device, *addresses):
        for address in addresses:
            flags = ["nodad"] if ":" in address else []
            self.ip(name, "address", "add", address, "dev", device, *flags)

    def _route(self, name, to, gateway, source):
        family = "-6" if ":" in to else "-4"
        self.ip(name, family, "route", "add", to, "via", gateway, "src", source)

    def _count(self, name, customer_side):
        far_side = "daddr" if customer_side == "saddr" else "saddr"
        server_port = "dport" if customer_side == "saddr" else "sport"
        device = "s0" if customer_side == "saddr" else "n0"
        counters, rules = [], []
        for number, customer in enumerate(CUSTOMERS):
            for family, address, smarthost in (("ip", customer.near4, SMARTHOST4), ("ip6", customer.near6, SMARTHOST6)):
                whose = f"oifname {device} {family} {customer_side} {address}"
                label = f"c{number}_{family}"
                smtp = f"{whose} {family} {far_side} != {smarthost} tcp {server_port} 25"
                rules += [
                    f'    {smtp} counter name "{label}_smtp"',
                    f'    {smtp} tcp flags & (syn | ack) == syn counter name "{label}_smtp_flows"',
                    f'    {whose} tcp dport {{ 137-139, 445 }} counter name "{label}_smb"',
                    f'    {whose} udp dport {{ 137-139, 445 }} counter name "{label}_smb"',
                    f'    {whose} tcp dport {{ 137-139, 445 }} tcp flags & (syn | ack) == syn counter name "{label}_smb_flows"',
                ]
                counters += [f"  counter {label}_{kind} {{ }}" for kind in ("smtp", "smtp_flows", "smb", "smb_flows")]
        self.run("sub" if customer_side == "saddr" else "net", "nft", COUNTERS.format(counters="\n".join(counters), rules="\n".join(rules)))
