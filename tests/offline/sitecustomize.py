"""Refuse every connection beyond this machine, so that no test can lean on a network.

Python imports a module of this name when it starts, which is how the kernels of the notebooks obey it too.
"""

import ipaddress
import socket

_connect, _connect_ex, _getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo


def _is_here(host):
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host).is_loopback
    except ValueError:
        return False


def _leaves(sock, address):
    return sock.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(address[0])


def connect(self, address):
    """Connect, if ``address`` is on this machine."""
    if _leaves(self, address):
        raise OSError(f"tests use no network: refused a connection to {address[0]}")
    return _connect(self, address)


def connect_ex(self, address):
    """Connect, if ``address`` is on this machine."""
    if _leaves(self, address):
        raise OSError(f"tests use no network: refused a connection to {address[0]}")
    return _connect_ex(self, address)


def getaddrinfo(host, *args, **kwargs):
    """Resolve ``host``, if it names this machine; otherwise answer as a machine without a network does."""
    if not _is_here(host):
        raise socket.gaierror(socket.EAI_NONAME, f"tests use no network: refused to look up {host}")
    return _getaddrinfo(host, *args, **kwargs)


socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo = connect, connect_ex, getaddrinfo
