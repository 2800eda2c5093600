"""Where the view is served: a port that is free, and the address to type into a browser."""

from __future__ import annotations

import socket

FIRST_PORT = 8080
"""Where the search for a free port begins."""
_TRIES = 100


class ViewerError(OSError):
    """The view cannot be served; the message says why and what would be right."""


def choose_port(host: str, port: int) -> int:
    """A port of `host` that can be served on.

    Args:
        host: name or address of one of this machine's interfaces; '0.0.0.0' for all of them.
        port: the one wanted; 0: the first free one from FIRST_PORT on.

    Raises:
        ViewerError: the port is in use or not allowed, or `host` is not one of this machine.
    """
    if port:
        _try(host, port)
        return port
    for candidate in range(FIRST_PORT, FIRST_PORT + _TRIES):
        try:
            _try(host, candidate)
        except PortInUse:
            continue
        return candidate
    raise ViewerError(f'none of the ports {FIRST_PORT} to {FIRST_PORT + _TRIES - 1} of {host} is free: give another')


def web_address(host: str, port: int) -> str:
    """What to type into a browser on this machine."""
    name = 'localhost' if host in ('127.0.0.1', 'localhost', '0.0.0.0', '') else host
    return f'http://{f"[{name}]" if ":" in name else name}:{port}'


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what is served there."""
    return host in ('localhost', '::1') or host.startswith('127.')


class PortInUse(ViewerError):
    """Somebody else serves there."""


def _try(host: str, port: int) -> None:
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise ViewerError(f'host {host!r} is not known ({error}): give 127.0.0.1, or 0.0.0.0 for all') from None
    family, kind, protocol, _, place = places[0]
    with socket.socket(family, kind, protocol) as trial:
        # as the server does, so that one that has just ended is not in the way
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(place)
            trial.listen(1)
        except PermissionError:
            raise ViewerError(f'port {port} is not allowed: give one from 1024 on, or 0 for a free one') from None
        except OSError as error:
            if 'in use' not in str(error):
                raise ViewerError(
                    f'host {host!r} is none of this machine ({error.strerror}): give 127.0.0.1, or 0.0.0.0 for all'
                ) from None
            raise PortInUse(
                f'port {port} of {host} is in use: end what runs there, give another port, or 0 for a free one'
            ) from None
