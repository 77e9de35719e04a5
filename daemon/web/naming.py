"""Names of files, which may be any bytes, in addresses and in headers. On a page they are `storage.errors.shown`."""

import os
import re
import unicodedata
from urllib.parse import parse_qsl, quote, quote_from_bytes

from storage.errors import shown

_UNPRINTED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories that a name to be saved has no use for: control characters, marks of direction, halves of pairs, ends of lines."""
_NOT_QUOTED = re.compile(r'[^ !#$&+\-.0-9A-Z^_`a-z{}~()\[\],;=@]|[\\"%]')
_MOST = 200


def query(**values: bytes | int) -> str:
    """'?folder=...&page=2', empty and zero values left out; `queried` takes it back."""
    told = {name: quote_from_bytes(value) if isinstance(value, bytes) else str(value) for name, value in values.items() if value}
    return "?" + "&".join(f"{name}={value}" for name, value in told.items()) if told else ""


def queried(text: bytes) -> dict[str, str]:
    """Values of a query or a form by name, the last of each; bytes that are no text become surrogates (`os.fsencode` takes them back)."""
    pairs = parse_qsl(text.decode("latin-1"), keep_blank_values=True, encoding="utf-8", errors="surrogateescape", max_num_fields=20)
    return dict(pairs)


def disposition(name: bytes, *, attached: bool) -> str:
    """Content-Disposition for a file of that name (RFC 6266, 8187): one for every browser, in plain letters, and the name as it is."""
    told = "".join(each for each in os.fsdecode(name).replace("/", "_") if unicodedata.category(each) not in _UNPRINTED).strip(" .")
    told = told[-_MOST:] or "photo"
    plain = _NOT_QUOTED.sub("_", unicodedata.normalize("NFKD", told).encode("ascii", "ignore").decode()).strip(" .") or "photo"
    kind = "attachment" if attached else "inline"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(told, safe='')}"


def title(name: bytes) -> str:
    """For a person."""
    return shown(name)
