"""What every request must satisfy, and what every response says to the browser."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MARK = "x-annotate"
"""A header that a page of another site cannot send without asking, and is never allowed to."""

LARGEST_BODY = 16_384

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",  # links are secrets
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


class Guard:
    """Refuse requests for other hosts and from other sites; add the headers to every response.

    Parameters
    ----------
    app : ASGI application
        What answers the requests that pass.
    names : collection of str
        Host names under which the pages may be opened.
    addresses : bool
        Whether any IP address is accepted as a host, not only loopback. A page that rebinds its
        name to this machine (DNS rebinding) sends that name, never an address.
    """

    def __init__(self, app: ASGIApp, names: Collection[str], addresses: bool) -> None:
        self._app = app
        self._names = {name.casefold().rstrip(".") for name in names} | {"localhost"}
        self._addresses = addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
            await send(message)

        refusal = self._refusal(scope)
        answer = self._app if refusal is None else refusal
        await answer(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_known(hosts[0]):
            return PlainTextResponse(
                "this host name is not served here; the organiser can add it with --name\n", 400
            )
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            is_link = headers.get("sec-fetch-mode") == "navigate" and scope["method"] == "GET"
            if not is_link:  # a link in an e-mail or a chat is followed from another site
                return PlainTextResponse("this request comes from another site\n", 403)
        if scope["method"] in ("GET", "HEAD"):
            return None
        origin = headers.get("origin")
        is_own = origin is None or urlsplit(origin).netloc.casefold() == hosts[0].casefold()
        is_json = headers.get("content-type", "").partition(";")[0].strip() == "application/json"
        if not (is_own and is_json and headers.get(MARK)):
            return PlainTextResponse("only the page itself may send this\n", 403)
        return None

    def _is_known(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        name = name.casefold().rstrip(".")
        if name in self._names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._addresses or address.is_loopback


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address that a server listens on."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def own_names() -> set[str]:
    """Return this machine's names."""
    return {socket.gethostname(), socket.getfqdn()}
