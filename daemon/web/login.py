"""Showing the secret: by the address that was printed, or by a form."""

from hmac import compare_digest

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from daemon.web.forms import form_of
from daemon.web.naming import queried
from daemon.web.page import Pages
from daemon.web.secret import COOKIE, Attempts, Secret
from daemon.web.trouble import Trouble

STAY_S = 180 * 24 * 3600
"""How long a browser may stay without being asked again."""


class Login:
    """`secret` None: nobody has to know one."""

    def __init__(self, pages: Pages, secret: Secret | None, attempts: Attempts | None = None) -> None:
        self._pages, self._secret, self._attempts = pages, secret, attempts or Attempts()

    async def page(self, request: Request) -> Response:
        if self._secret is None:
            return RedirectResponse("/", 303)
        form = await form_of(request) if request.method == "POST" else queried(request.scope["query_string"])
        given = form.get("secret", "").strip()
        client = request.client.host if request.client is not None else ""
        if self._attempts.too_many(client):
            raise Trouble(429, "Too many wrong secrets", "Wait a minute, and try again.", 60)
        if not self._secret.is_it(given):
            if given:
                self._attempts.failed(client)
            return self._pages.shown("login.html", status=401, wrong="That is not the secret." if given else "", headers=_QUIET)
        # A page, and no redirection: after a link in a letter or a message, a browser keeps a strict cookie from where that leads.
        answer = self._pages.shown("welcome.html", headers=_QUIET)
        answer.set_cookie(COOKIE, self._secret.mark, max_age=STAY_S, path="/", httponly=True, samesite="strict")
        return answer

    def check_form(self, form: dict[str, str]) -> None:
        """Raises Trouble where a form is none of ours."""
        if not compare_digest(form.get("mark", "").encode("utf-8", "surrogateescape"), self._pages.form_mark.encode()):
            raise Trouble(
                403, "An old page", "This page was made before the program was started anew. Go back, load it again, and try again."
            )


_QUIET = {"referrer-policy": "no-referrer"}
"""The secret may stand in the address."""
