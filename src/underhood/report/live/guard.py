"""Who is answered: whoever has the token, on a page of this server, and not too many at once.

    other words than GET and HEAD                        405
    a Host that is not this machine (DNS rebinding)      421    a page of another name may resolve to 127.0.0.1
    an Origin that is not this page's, or a request
    that another site's page made                        403
    no token, or a wrong one, before all else            403
    more than MOST connections                           503    at once, with Retry-After
    a connection that asks nothing for SILENCE seconds   closed

A name in an address is looked up among the runs that are known and never made a path of.
"""

import ipaddress
import secrets
import socket
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST = 128  # connections at once; a browser takes up to six
SILENCE = 10.0
BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 40\r\n\r\n"
    b"Too many are looking; try again in 5 s.\n"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Guard:
    """Answers for the application what it should never see; `host` is the one that the server was told to bind."""

    def __init__(self, app: ASGIApp, token: str, host: str) -> None:
        self.app, self.token = app, token.encode()
        self.names = {*LOOPBACK, host.casefold()}
        self.anywhere = host not in LOOPBACK
        if self.anywhere:
            self.names |= {socket.gethostname().casefold(), socket.getfqdn().casefold()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message.get("headers", ()), *own]
            await send(message)

        refused = self.refusal(scope)
        if refused is None:
            rest = scope["path"][1 + len(self.token) :]
            await self.app(dict(scope) | {"path": rest or "/", "raw_path": rest.encode()}, receive, send_guarded)
        else:
            status, text = refused
            await PlainTextResponse(f"{text}\n", status)(scope, receive, send_guarded)

    def refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and words for a request that is refused; None for one that is not."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["method"] not in ("GET", "HEAD"):
            return 405, "This page is read, and no more."
        if not self.is_ours(headers.get("host", "")):
            return 421, "This is not the address that the page is served at."
        origin = headers.get("origin")
        if origin is not None and not _is_of(origin, headers.get("host", "")):
            return 403, "Pages of other sites are not answered."
        if headers.get("sec-fetch-site", "none") in ("cross-site", "same-site") and (
            headers.get("sec-fetch-mode") != "navigate"
        ):
            return 403, "Pages of other sites are not answered."
        first = scope["path"].split("/", 2)[1] if scope["path"].startswith("/") else ""
        if not secrets.compare_digest(first.encode(), self.token):
            return 403, "This page needs the whole address that `underhood view` printed."
        return None

    def is_ours(self, host: str) -> bool:
        """Whether a Host header names this machine. An address says so itself; a name must be known."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").casefold()
        except ValueError:
            return False
        if name in self.names:
            return True
        return self.anywhere and _is_address(name)


def _is_of(origin: str, host: str) -> bool:
    """Whether an Origin header names this host. One that cannot be read names none."""
    try:
        return urlsplit(origin).netloc == host
    except ValueError:
        return False


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class PoliteProtocol(H11Protocol):
    """uvicorn's, with a limit of connections: one too many is told so and closed, one that is silent is closed."""

    refused = False

    def connection_made(self, transport: Any) -> None:
        if len(self.connections) >= MOST:
            self.refused = True
            transport.write(BUSY)
            transport.close()
            return
        super().connection_made(transport)
        self.loop.call_later(SILENCE, self._close_if_silent)

    def _close_if_silent(self) -> None:
        if self.scope is None and not self.transport.is_closing():
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        if not self.refused:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.refused:
            super().connection_lost(exc)


def new_token() -> str:
    """128 bits of chance, in letters that an address holds as they are."""
    return secrets.token_urlsafe(16)


def json_safe(value: Any) -> Any:
    """Numbers that JSON lacks as None: a page has no use for them."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {str(key): json_safe(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(each) for each in value]
    return value
