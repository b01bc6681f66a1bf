"""Archive of trimmed events: a folder or a bucket with one compressed NDJSON file for each source, shard and hour.

A file is `SOURCE/SHARD/2026-01-31T14/FIRST-ENTRY.ndjson.zst`; an hour has more than one when it has very many events,
or when memory pressed and a part of it was trimmed early. Files are put whole and read back before anybody relies on
them: one that was cut short does not exist, and one that is written again under its name replaces the former.
"""

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import gmtime, strftime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

from worker.errors import ArchiveError, OperatorError
from worker.store.entry_id import order

HOUR_MS: Final = 3_600_000
_SUFFIX: Final = ".ndjson.zst"
# An endpoint that is spelled http:// is one on this machine or network; nothing else becomes http by it.
_CLIENT: Final = {"timeout": "30s", "connect_timeout": "5s", "allow_http": True}
_READ_BYTES: Final = 1 << 20


_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_WORDS: Final = (
    ({"PermissionDeniedError", "PermissionError"}, "it refuses access"),
    ({"UnauthenticatedError"}, "it refuses the key"),
    ({"NotFoundError", "FileNotFoundError"}, "there is no such bucket, folder or file"),
)
# A list that fails has no kind of its own: what the server answered is in its text.
_ANSWERED: Final = re.compile(r"status code: (\d{3})")
_ANSWERS: Final = {"401": "it refuses the key", "403": "it refuses access", "404": "there is no such bucket"}


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """An archived event: its entry, its bytes as received, and what became of it in each integration by then.

    `raw64` has the bytes in base64 instead, where they are no UTF-8. `v` is the version of this format.
    """

    id: str
    raw: str = ""
    raw64: bytes = b""
    fates: dict[str, dict[str, Any]] = {}
    v: int = 1

    @property
    def body(self) -> bytes:
        """The bytes as received."""
        return self.raw64 or self.raw.encode()


class File(msgspec.Struct, frozen=True):
    """A file of the archive: its path, the start of its hour (Unix ms), and its first entry."""

    path: str
    hour_ms: int
    first: tuple[int, int]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode


def line(entry_id: str, raw: bytes, fates: dict[str, dict[str, Any]]) -> Line:
    """The line of an event."""
    try:
        return Line(entry_id, raw.decode(), fates=fates)
    except UnicodeDecodeError:
        return Line(entry_id, raw64=raw, fates=fates)


class Archive:
    """The files of one archive; made by `open_archive`, in the process that uses it."""

    def __init__(self, store: Any, folder: Path | None) -> None:
        self._store = store
        self._folder = folder

    def write(self, source: str, shard: int, lines: Sequence[Line]) -> str:
        """Write a file of these lines, and read it back; its path.

        Raises:
            ArchiveError: it is not there, whole, now.
        """
        first = lines[0].id
        path = f"{_prefix(source, shard)}/{_hour(order(first)[0])}/{first}{_SUFFIX}"
        self.replace(path, lines)
        return path

    def replace(self, path: str, lines: Sequence[Line]) -> None:
        """Write a file under its path; without a line, delete it.

        Raises:
            ArchiveError: it is not there, whole, now.
        """
        import obstore  # noqa: PLC0415 - an extra
        import zstandard  # noqa: PLC0415 - as above

        with _faults():
            if not lines:
                obstore.delete(self._store, path)
                return
            body = zstandard.ZstdCompressor(write_checksum=True).compress(
                b"".join(_encode(one) + b"\n" for one in lines)
            )
            obstore.put(self._store, path, body)
            self._sync(path)
            if bytes(obstore.get(self._store, path).bytes()) != body:
                raise ArchiveError("what was written reads back otherwise")

    def files(self, source: str, shard: int, first_ms: int = 0, last_ms: int | None = None) -> list[File]:
        """The files that may hold events received in this time, in the order of their events.

        Raises:
            ArchiveError: it cannot be read.
        """
        found = self._list(_prefix(source, shard))
        return sorted(
            (one for one in found if one.hour_ms + HOUR_MS > first_ms and (last_ms is None or one.first[0] <= last_ms)),
            key=lambda one: one.first,
        )

    def all(self) -> list[File]:
        """Every file of every source and shard.

        Raises:
            ArchiveError: it cannot be read.
        """
        return self._list(None)

    def _list(self, prefix: str | None) -> list[File]:
        import obstore  # noqa: PLC0415 - an extra

        with _faults():
            paths = [meta["path"] for page in obstore.list(self._store, prefix) for meta in page]
        return [_file(path) for path in paths if path.endswith(_SUFFIX)]

    def read(self, file: File) -> Iterator[Line]:
        """The lines of a file, in order.

        Raises:
            ArchiveError: it cannot be read.
        """
        import obstore  # noqa: PLC0415 - an extra
        import zstandard  # noqa: PLC0415 - as above

        with _faults():
            body = bytes(obstore.get(self._store, file.path).bytes())
            with zstandard.ZstdDecompressor().stream_reader(body) as stream:
                rest = b""
                while block := stream.read(_READ_BYTES):
                    *whole, rest = (rest + block).split(b"\n")
                    yield from map(_decode, whole)
            if rest:
                raise ArchiveError(f"{file.path} is cut short")

    def _sync(self, path: str) -> None:
        """Have the disk of a local folder keep a file through a power cut."""
        if self._folder is None:
            return
        file = self._folder / path
        for name in (file, *file.parents):
            handle = os.open(name, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
            if name == self._folder:
                break


def open_archive(url: str) -> Archive | None:
    """The archive of RELAY_ARCHIVE_URL; None without one. Keys, region and endpoint as for the provider's own tools.

    Raises:
        OperatorError: the address is none, or the extra is not installed.
    """
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme not in {"file", "s3", "gs", "az"}:
        raise OperatorError(f"RELAY_ARCHIVE_URL: {parts.scheme or 'nothing'}:// is not file://, s3://, gs:// or az://")
    try:
        import obstore.exceptions  # noqa: PLC0415 - an extra
        import obstore.store  # noqa: PLC0415 - as above
        import zstandard  # noqa: F401, PLC0415 - as above
    except ImportError:
        raise OperatorError(
            "RELAY_ARCHIVE_URL needs the extra: pip install 'purchasely-customerio-relay[archive]'"
        ) from None
    try:
        if parts.scheme == "file":
            folder = Path(unquote(parts.path))
            return Archive(obstore.store.LocalStore(folder, mkdir=True), folder)
        open_store: Any = obstore.store.from_url  # typed as another overload for each provider
        store = open_store(url, client_options=_CLIENT, retry_config={"max_retries": 2})
    except (obstore.exceptions.BaseError, OSError, ValueError) as fault:
        raise OperatorError(f"RELAY_ARCHIVE_URL cannot be opened ({reason(fault)})") from None
    return Archive(store, None)


def reason(fault: BaseException) -> str:
    """Why the archive failed, in words that hold no address and no key."""
    text = str(fault)
    kind = type(fault).__name__
    if isinstance(fault, ArchiveError):
        return text
    number = getattr(fault, "errno", None)
    if number in _FULL or any(f"os error {one})" in text for one in _FULL):
        return "the disk is full, or the file is too large for it"
    for kinds, words in _WORDS:
        if kind in kinds:
            return words
    if answered := _ANSWERED.search(text):
        return _ANSWERS.get(answered[1], f"it answers with status {answered[1]}")
    return "it does not answer" if "error sending request" in text else f"it failed: {kind}"


@contextmanager
def _faults() -> Iterator[None]:
    """Turn what the library and the disk raise into `ArchiveError`."""
    import obstore.exceptions  # noqa: PLC0415 - an extra
    import zstandard  # noqa: PLC0415 - as above

    try:
        yield
    except (obstore.exceptions.BaseError, zstandard.ZstdError, OSError, ValueError) as fault:
        raise ArchiveError(reason(fault)) from None


def _prefix(source: str, shard: int) -> str:
    return f"{source}/{shard:04}"


def _hour(at_ms: int) -> str:
    return strftime("%Y-%m-%dT%H", gmtime(at_ms // 1000))


def _file(path: str) -> File:
    first = order(path.rpartition("/")[2].removesuffix(_SUFFIX))
    return File(path, first[0] // HOUR_MS * HOUR_MS, first)
