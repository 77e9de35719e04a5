"""What goes wrong, as a page: a status, a heading, and sentences for whoever reads it."""

import errno

from daemon.errors import DaemonError, GalleryGone, NoGallery, WorkerError
from storage.errors import Damaged, Missing, Refused, StorageError


class Trouble(Exception):
    """Raised by whatever answers a request."""

    def __init__(self, status: int, heading: str, text: str, retry_s: int = 0) -> None:
        super().__init__(text)
        self.status, self.heading, self.text, self.retry_s = status, heading, text, retry_s


BUSY_S = 15


def busy() -> Trouble:
    return Trouble(503, "Too much at once", "Many photos are being unpacked just now. Wait a moment, and open it again.", BUSY_S)


def ending() -> Trouble:
    return Trouble(503, "It is being ended", "The program that serves this page ends just now. Try again when it was started anew.", BUSY_S)


def no_such_photo() -> Trouble:
    return Trouble(404, "No such photo", "There is no photo here. It may have been moved, or its gallery was read anew; look in its album.")


def no_such_page() -> Trouble:
    return Trouble(404, "No such page", "There is nothing at this address.")


def of_error(error: Exception) -> Trouble:
    """For a DaemonError, StorageError or OSError of whatever was tried."""
    cause = error.__cause__ if isinstance(error, OSError) and error.__cause__ is not None else error
    text = sentence(str(error.args[1] if isinstance(error, OSError) and len(error.args) > 1 else error))
    match cause:
        case GalleryGone():
            return Trouble(503, "The disk is not there", text)
        case NoGallery():
            return Trouble(503, "No gallery", text)
        case FileNotFoundError() | NotADirectoryError() | OSError(errno=errno.ELOOP):  # a link is nothing of the gallery's
            return Trouble(404, "It is not there", "The file is no longer in its place. It may have been moved or deleted a moment ago.")
        case PermissionError():
            return Trouble(403, "Not allowed", "The program may not read this file.")
        case Missing():
            return Trouble(404, "Something is missing", text)
        case Damaged():
            return Trouble(500, "It is damaged", f"{text} Nothing was changed. `gallery-optimizer verify` looks whether it can be mended.")
        case Refused():
            return Trouble(503, "Made by a later version", text)
        case WorkerError():
            return Trouble(503, "It could not be unpacked", f"{text} A photo may need more memory than the program may use (`memory`).")
        case StorageError() | DaemonError():
            return Trouble(503, "That does not work just now", text)
        case OSError():
            return Trouble(500, "It can't be read", text)
        case _:
            return Trouble(500, "Something went wrong", "Nothing was changed by it. Where the program was started it says what it was.")


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    whole = text[:1].upper() + text[1:]
    return whole if whole.endswith((".", "!", "?")) else f"{whole}."
