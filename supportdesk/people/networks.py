"""Where a request comes from, for budgets (D28, D33)."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

HOUSEHOLD = 64  # bits of an IPv6 address that one line has to itself: all below are free to choose


def network_of(address: str) -> str:
    """The network that an address counts for: itself, or of IPv6 what its provider gave to one line.

    >>> network_of("203.0.113.7"), network_of("2001:db8:1:2:3::4"), network_of("::ffff:203.0.113.7")
    ('203.0.113.7', '2001:db8:1:2::/64', '203.0.113.7')
    """
    ip = ip_address(address)
    if ip.version == 6 and ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ip) if ip.version == 4 else str(ip_network(f"{ip}/{HOUSEHOLD}", strict=False))
