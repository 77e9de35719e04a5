"""The pages and pictures by their addresses. What waits for a disk is done in threads, what waits for a decoder in none."""

import os

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from daemon.access.session import wanted_of
from daemon.access.view import Source
from daemon.errors import DaemonError
from daemon.galleries import Gallery
from daemon.places import Places
from daemon.web import words
from daemon.web.forms import form_of
from daemon.web.giving_back import GivingBack
from daemon.web.leaves import Leaf
from daemon.web.library import Found, Library, Seen
from daemon.web.login import Login
from daemon.web.naming import queried, query, title
from daemon.web.opening import opened_beneath
from daemon.web.overview import HEIGHT, WIDTH, overview
from daemon.web.page import FOLDER, Pages
from daemon.web.sending import headers_of, photo, unchanged
from daemon.web.thumbnails import picture_of
from daemon.web.trouble import Trouble, no_such_page, of_error
from daemon.web.unpacking import Unpacking
from storage.errors import StorageError

_NO_PICTURE = "/static/none.svg"


class Site:
    """Endpoints; each answers one request."""

    def __init__(self, places: Places, library: Library, unpacking: Unpacking, giving: GivingBack, pages: Pages, login: Login) -> None:
        self._places, self._library, self._unpacking, self._giving, self._pages = places, library, unpacking, giving, pages
        self._login = login

    def app(self) -> Starlette:
        routes = [
            Route("/", self.overview),
            Route("/albums/{gallery:int}", self.albums),
            Route("/album/{gallery:int}", self.album),
            Route("/photo/{photo:int}", self.photo),
            Route("/photo/{photo:int}/small", self.small),
            Route("/photo/{photo:int}/preview", self.preview),
            Route("/photo/{photo:int}/full", self.full),
            Route("/photo/{photo:int}/download", self.download),
            Route("/photo/{photo:int}/restore", self.restore, methods=["POST"]),
            Route("/login", self._login.page, methods=["GET", "POST"]),
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
        ]
        kinds: tuple[type[Exception], ...] = (Trouble, DaemonError, StorageError, OSError, HTTPException, Exception)
        return Starlette(routes=routes, exception_handlers=dict.fromkeys(kinds, self._trouble))

    async def overview(self, request: Request) -> Response:
        found = await run_in_threadpool(overview, self._places, [title(gallery.key) for gallery in self._library.galleries])
        return self._pages.shown("overview.html", found=found, width=WIDTH, height=HEIGHT)

    async def albums(self, request: Request) -> Response:
        number = request.path_params["gallery"]
        gallery = self._library.gallery(number)
        albums = await run_in_threadpool(self._library.albums, number)
        leaf = Leaf.at(queried(request.scope["query_string"]).get("page", ""), len(albums))
        shown = [(each, f"/album/{number}{query(folder=each.folder)}", _folder(each.folder)) for each in albums[leaf.part]]
        return self._pages.shown(
            "albums.html", gallery=_name(gallery), albums=shown, leaf=leaf, here=f"/albums/{number}", folder=b"", query=query
        )

    async def album(self, request: Request) -> Response:
        number = request.path_params["gallery"]
        gallery = self._library.gallery(number)
        asked = queried(request.scope["query_string"])
        folder = os.fsencode(asked.get("folder", ""))
        ids = await run_in_threadpool(self._library.in_album, number, folder)
        if not ids:
            raise Trouble(404, "No such album", "There is no photo in an album of that name, or it has another name now.")
        leaf = Leaf.at(asked.get("page", ""), len(ids))
        rows = await run_in_threadpool(self._library.rows, ids[leaf.part])
        shown = [(row.id, title(row.path.rpartition(b"/")[2]), words.BADGES[row.state]) for row in rows]
        told = {"gallery": _name(gallery), "number": number, "folder": folder, "album": _folder(folder), "count": len(ids)}
        return self._pages.shown("album.html", **told, photos=shown, leaf=leaf, here=f"/album/{number}", query=query)

    async def photo(self, request: Request) -> Response:
        number = request.path_params["photo"]
        order = self._giving.order(number)  # first: a photo that was given back is not to be shown as it was before
        found, known = await run_in_threadpool(self._library.told, number)
        before, behind = await run_in_threadpool(self._library.beside, found)
        return self._pages.shown(
            "photo.html",
            photo=number,
            name=title(found.name),
            album=_folder(found.folder),
            album_link=f"/album/{found.number}{query(folder=found.folder)}",
            gallery=_name(found.gallery),
            number=found.number,
            before=before,
            behind=behind,
            there=found.row.missed_at is None,
            story=words.story(found),
            warnings=words.warnings(found, known),
            facts=words.facts(found),
            lines=known.lines,
            button=words.after_restore(found) if found.can_be_given_back else "",
            order=order,
        )

    async def small(self, request: Request) -> Response:
        return await self._picture(request, large=False)

    async def preview(self, request: Request) -> Response:
        return await self._picture(request, large=True)

    async def _picture(self, request: Request, *, large: bool) -> Response:
        """What is shown of a photo before it is asked for; our own empty picture where that is nothing."""
        found = await run_in_threadpool(self._library.found, request.path_params["photo"])
        picture = await run_in_threadpool(picture_of, found, large=large)
        if picture is None:
            return RedirectResponse(_NO_PICTURE, 302, {"cache-control": "no-store"})
        etag, when = await run_in_threadpool(_mark_of, picture, found)
        answer = unchanged(request, etag)
        if answer is None:
            return photo(picture, headers_of(etag, found.name, when, attached=False), attached=False)
        if isinstance(picture, int):
            os.close(picture)
        return answer

    async def full(self, request: Request) -> Response:
        return await self._whole(request, attached=False)

    async def download(self, request: Request) -> Response:
        return await self._whole(request, attached=True)

    async def _whole(self, request: Request, *, attached: bool) -> Response:
        seen = await run_in_threadpool(self._library.seen, request.path_params["photo"])
        answer = unchanged(request, seen.etag)
        if answer is not None:
            return answer
        headers = headers_of(seen.etag, seen.name, seen.node.status["st_mtime"], attached=attached)
        if request.method == "HEAD" and seen.node.source is Source.COPY and seen.node.size_bytes:
            kind = "image/png" if seen.name.lower().endswith(b".png") else "image/jpeg"
            return Response(headers=headers | {"content-length": str(seen.node.size_bytes), "accept-ranges": "bytes"}, media_type=kind)
        return photo(await self._bytes_of(seen), headers, attached=attached)

    async def _bytes_of(self, seen: Seen) -> int | bytes:
        """Raises OSError, Trouble."""
        if seen.node.source is Source.COPY:
            return await self._unpacking.opened(wanted_of(seen.gallery, seen.node))
        root = seen.gallery.root
        return await run_in_threadpool(opened_beneath, root, os.fsencode(seen.node.path.relative_to(root)))

    async def restore(self, request: Request) -> Response:
        """The only thing that changes anything."""
        number = request.path_params["photo"]
        form = await form_of(request)
        self._login.check_form(form)
        found = await run_in_threadpool(self._library.found, number)
        if not found.can_be_given_back:
            raise Trouble(409, "Nothing to give back", "The photo is in its place already.")
        self._giving.ask(number, found.row.location)
        return RedirectResponse(f"/photo/{number}", 303)

    async def _trouble(self, request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            error = no_such_page() if error.status_code == 404 else Trouble(error.status_code, "That can't be shown", f"{error.detail}.")
        return self._pages.trouble(error if isinstance(error, Trouble) else of_error(error))


def _mark_of(picture: int | bytes, found: Found) -> tuple[str, int]:
    """Of a small picture: what changes with it, and its date."""
    if isinstance(picture, bytes):
        known = found.row.fingerprint
        return f'"e-{known.mtime_ns:x}-{known.size_bytes:x}-{len(picture):x}"', known.mtime_ns
    status = os.fstat(picture)
    return f'"s-{status.st_ino:x}-{status.st_ctime_ns:x}-{status.st_size:x}"', status.st_mtime_ns


def _name(gallery: Gallery) -> str:
    return title(os.fsencode(gallery.root.name)) or "/"


def _folder(folder: bytes) -> str:
    return title(folder).replace("/", " / ") if folder else "In no album"
