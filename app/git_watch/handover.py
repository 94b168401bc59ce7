"""Take a request's socket away from gunicorn once the 101 is sent, so that no worker thread stays with it.

gunicorn closes the socket of a finished request and counts its connections. Both still work: the connection continues
under a new descriptor, and the old descriptor becomes that of a socket whose other end is closed already. Source:
gunicorn's gthread worker; `gunicorn.socket` of the environment is the documented way to the socket.
"""

from __future__ import annotations

import os
import socket


def take_over(kept_by_server: socket.socket) -> socket.socket:
    """The same connection as a new socket; the server's object keeps a socket that is at its end."""
    ours = socket.socket(fileno=os.dup(kept_by_server.fileno()))
    stand_in, other = socket.socketpair()
    other.close()
    os.dup2(stand_in.fileno(), kept_by_server.fileno(), inheritable=False)
    stand_in.close()
    ours.setblocking(False)
    return ours
