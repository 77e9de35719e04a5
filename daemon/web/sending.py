"""Files as answers: with the library's ranges, lengths and conditions, over descriptors that are already open, and closed in any case."""

import os
from email.utils import formatdate

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from daemon.web.naming import disposition
from daemon.web.opening import OTHER, begin_of, kind_of

_AGAIN = "private, no-cache"
"""A browser keeps it, and asks each time whether it is still the same, which costs no decoding."""


class OpenFile(FileResponse):
    """Takes a descriptor over: it is read by its own name below /proc, so whatever has the file's name meanwhile does not matter."""

    def __init__(self, descriptor: int, headers: dict[str, str], media_type: str) -> None:
        self._descriptor = descriptor
        super().__init__(f"/proc/self/fd/{descriptor}", headers=headers, media_type=media_type, stat_result=os.fstat(descriptor))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            os.close(self._descriptor)


_AS_A_PICTURE = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
"""For what is opened by itself: browsers put a picture into a page of their own, and into its middle by a style. No markup of others
is in there, since the type is not guessed."""


def unchanged(request: Request, etag: str) -> Response | None:
    """The answer 304 for a browser that has it already (RFC 9110, 13.1.2); None where it has not."""
    given = Headers(scope=request.scope).get("if-none-match", "")
    tags = [each.strip().removeprefix("W/") for each in given.split(",")]
    return Response(status_code=304, headers={"etag": etag, "cache-control": _AGAIN}) if etag in tags or "*" in tags else None


def headers_of(etag: str, name: bytes, mtime_ns: int, *, attached: bool) -> dict[str, str]:
    return {
        "etag": etag,
        "cache-control": _AGAIN,
        "last-modified": formatdate(max(mtime_ns, 0) // 10**9, usegmt=True),
        "content-disposition": disposition(name, attached=attached),
        "content-security-policy": _AS_A_PICTURE,
    }


def photo(found: int | bytes, headers: dict[str, str], *, attached: bool) -> Response:
    """A photo out of an open file or the memory. What is neither JPEG nor PNG is only given to be saved."""
    kind = kind_of(found[:8] if isinstance(found, bytes) else begin_of(found, 8))
    if kind == OTHER and not attached:
        headers = headers | {"content-disposition": headers["content-disposition"].replace("inline", "attachment", 1)}
    if isinstance(found, bytes):
        return Response(found, headers=headers, media_type=kind)
    return OpenFile(found, headers, kind)
