"""The server of a listener, with little in hand: what it has taken from the application and not sent yet is bounded.

A body that is to stop must stop soon whoever reads it, and however slowly. Left alone, the system takes up to 4 MB of a
connection before anybody has read a byte; whole parts are smaller.
"""

from __future__ import annotations

import socket
from pathlib import Path

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.net import SocketSpec  # type: ignore[attr-defined]
from granian.server.mp import MPServer

UNSENT_BYTES = 128 * 1024
"""How much of one connection the system takes before it has sent what it has; what is under way comes on top."""
HELD_BYTES = 64 * 1024
"""How much of one connection the server gathers before it hands it to the system."""
STOPPING_S = 5
"""How long what is under way has to end when the platform stops. Without a bound one caller who never ends a request
would keep the process for ever: while it waits for that, it does nothing else."""

LOGS = {"handlers": {}, "loggers": {"_granian": {"propagate": True}, "granian.access": {"propagate": True}}}
"""The server's own lines go where all others go."""


class Listener(MPServer):
    """HTTPS, HTTP/1.1, ASGI on one address, in one process beside its own."""

    def __init__(self, application: str, host: str, port: int, tls: Path) -> None:
        """`application` names what makes the application; `tls` is the folder of `server.pem` and `server.key`."""
        super().__init__(
            application,
            address=host,
            port=port,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(max_buffer_size=HELD_BYTES),
            workers=1,
            factory=True,
            ssl_cert=tls / "server.pem",
            ssl_key=tls / "server.key",
            log_level=LogLevels.warning,
            log_dictconfig=LOGS,
            respawn_failed_workers=True,
            workers_kill_timeout=STOPPING_S,
        )

    def _init_shared_socket(self) -> None:
        """Open one socket for every process of the server, from which each connection inherits its bound.

        On Linux the base class would let each process open its own.
        """
        holder = SocketSpec(self.bind_addr, self.bind_port, self.backlog).build()
        opened = socket.socket(fileno=holder.get_fd())
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        opened.set_inheritable(True)
        vars(self).update(_ssp=None, _shd=holder, _sso=opened)
