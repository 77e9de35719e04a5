"""What a browser sends with a button."""

from starlette.requests import Request

from daemon.web.naming import queried
from daemon.web.trouble import Trouble

MOST_BYTES = 4096


async def form_of(request: Request) -> dict[str, str]:
    """A small form, by the names of its fields. Raises Trouble where it is larger."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise Trouble(413, "Too large", "That is more than this form can hold.")
    return queried(body)
