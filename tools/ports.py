"""Free ports of this machine for servers that tests and the worked city start; standard library only."""

import socket
from random import SystemRandom

HOST = "127.0.0.1"
PORTS = range(20_000, 32_000)
"""Below the ports the system gives out by itself: no outgoing connection takes one before its server has bound it."""
PROBES = 50
"""Ports looked at for each one wanted."""
_given: set[int] = set()


def find_free_port() -> int:
    """Return a loopback port nobody listens on, and that this process was not given before.

    Raises:
        OSError: none was found.
    """
    return find_free_ports(1)[0]


def find_free_ports(count: int) -> list[int]:
    """Return different ports as :func:`find_free_port` does.

    They are chosen at random, so that two programs that look at the same moment hardly ever choose the same.

    Raises:
        OSError: there are not so many.
    """
    found: list[int] = []
    for port in SystemRandom().sample(PORTS, PROBES * count):
        if len(found) == count:
            break
        if port not in _given and _is_free(port):
            found.append(port)
            _given.add(port)
    if len(found) < count:
        raise OSError(f"no {count} free ports between {PORTS.start} and {PORTS.stop}")
    return found


def _is_free(port: int) -> bool:
    """Return whether a server could bind ``port`` now."""
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
