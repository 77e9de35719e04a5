"""What every request passes first, and every answer last: who may ask, from where, and what a browser may do with what it gets."""

from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daemon.web.listening import Names
from daemon.web.page import Pages
from daemon.web.secret import COOKIE, Secret
from daemon.web.trouble import Trouble

OPEN_PATHS = frozenset({"/login", "/static/style.css", "/static/icon.svg"})
"""For browsers that do not know the secret yet."""
_HEADERS = {
    # No script at all, from nowhere; pictures, style and forms of this page alone; shown in no frame.
    "content-security-policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    # Nothing is told to other sites. Not "no-referrer": with that a browser says of our own forms, too, that they come from "null".
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "x-robots-tag": "noindex, nofollow",
}


class Gate:
    """Around the application."""

    def __init__(self, app: ASGIApp, pages: Pages, names: Names, secret: Secret | None) -> None:
        """`secret` None: whoever reaches the page may see it."""
        self._app, self._pages, self._names, self._secret = app, pages, names, secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # neither sockets nor a lifespan: uvicorn is told so

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-cache" if scope["path"].startswith("/static/") else "no-store")
            await send(message)

        try:
            self._check(scope)
        except Trouble as trouble:
            await self._refused(scope, trouble)(scope, receive, sent)
            return
        await self._app(scope, receive, sent)

    def _check(self, scope: Scope) -> None:
        """Raises Trouble."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._names.may_be(hosts[0]):
            raise Trouble(403, "Another name", "This page does not answer to the name that your browser asked for (--host adds one).")
        if scope["method"] not in ("GET", "HEAD", "POST"):
            raise Trouble(405, "Not understood", "This page only shows things.")
        if headers.get("sec-fetch-site", "none") in ("cross-site", "same-site") and not _is_a_visit(scope, headers):
            raise Trouble(403, "From elsewhere", "Another site asked for this, which may not.")
        if scope["method"] == "POST" and not _is_our_own(headers, hosts[0]):
            raise Trouble(403, "From elsewhere", "This was sent by another page than ours. Nothing was changed.")
        if self._secret is not None and scope["path"] not in OPEN_PATHS and not self._secret.is_mark(mark_of(headers)):
            raise Trouble(401, "Who is there?", "")

    def _refused(self, scope: Scope, trouble: Trouble) -> Response:
        if trouble.status != 401:
            return self._pages.trouble(trouble)
        return self._pages.shown("login.html", status=401, wrong="")


def _is_a_visit(scope: Scope, headers: Headers) -> bool:
    """A link on another site that somebody followed, which shows a page and does nothing."""
    return scope["method"] in ("GET", "HEAD") and (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")


def _is_our_own(headers: Headers, host: str) -> bool:
    """Whether a form was sent by a page of this very address; browsers from before that header are left to the form's own mark."""
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2].lower() == host.lower()


def mark_of(headers: Headers) -> str:
    """What the cookie says; empty where there is none."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value
