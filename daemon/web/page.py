"""Templates and what all pages have in common."""

import importlib.metadata
import secrets
from http import HTTPStatus
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from daemon.web.trouble import Trouble

FOLDER = Path(__file__).parent


class Pages:
    """Everything that is put into a template is escaped there. `form_mark` is in every form that changes something: a stranger's page can't
    know it."""

    def __init__(self) -> None:
        self.form_mark = secrets.token_urlsafe(24)
        loader = FileSystemLoader(FOLDER / "templates")
        self._templates = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        self._templates.globals |= {"form_mark": self.form_mark, "version": importlib.metadata.version("gallery-optimizer")}

    def shown(self, template: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> HTMLResponse:
        return HTMLResponse(self._templates.get_template(template).render(values), status, headers)

    def trouble(self, trouble: Trouble) -> HTMLResponse:
        headers = {"retry-after": str(trouble.retry_s)} if trouble.retry_s else {}
        if trouble.status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["allow"] = "GET, HEAD"
        return self.shown("trouble.html", status=trouble.status, headers=headers, heading=trouble.heading, text=trouble.text)
