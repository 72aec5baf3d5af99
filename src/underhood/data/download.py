"""One file over HTTP: what is there already is kept, what lacks is fetched, and only a whole file gets its name.

    NAME.part   grows while it is fetched, and stays when the connection breaks or someone stops it
    NAME        appears by one rename, after the checksum was found right

The next attempt asks for the rest alone (Range: bytes=N−); a server that sends everything instead begins the file
anew. If the sum of a file made of two halves is wrong, the first half was perhaps another file's: it is fetched once
more as a whole.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import file_digest, md5
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from ssl import SSLError
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import underhood
from underhood.errors import BadInput, MissingPiece

CHUNK = 1 << 18
TIMEOUT = 30.0  # seconds without a byte
PAUSES = (1.0, 3.0)  # seconds before a broken connection is tried again
BUSY = {408, 425, 429, 500, 502, 503, 504}  # answers that another time may be better
PARTIAL, NOT_SATISFIABLE = 206, 416

OnProgress = Callable[[str, int, int | None], None]  # the file's name, bytes so far, bytes in all if known
Counted = Callable[[int, int | None], None]
BROKEN = (URLError, HTTPException, SSLError, ConnectionError, TimeoutError)


def silent(name: str, done: int, total: int | None) -> None:
    """Say nothing."""


def fetch(url: str, path: Path, checksum: str = "", on_progress: OnProgress = silent) -> None:
    """The file at `url` as `path`, its MD5 sum being `checksum` unless that is "".

    Raises MissingPiece if the server cannot be reached, hasn't the file, or breaks off time and again, if the disk is
    full, or if another process is fetching the same; BadInput if what came is not the published file.
    """
    if not url.startswith(("http://", "https://")):
        raise BadInput(f"{url}: an address that begins with http:// or https:// is expected.")
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _own(part) as file:
            found = _checked(url, file, checksum, partial(on_progress, path.name))
            os.fsync(file.fileno())
        if found != checksum != "":
            part.unlink()
            raise BadInput(
                f"{path.name}: what {url} sent has the MD5 sum {found}, the published file {checksum}.\n"
                "It was removed. Does something stand between you and the server? --from names another address."
            )
        part.replace(path)
    except OSError as error:
        raise MissingPiece(f"{error.filename or part}: cannot be written ({error.strerror or error}).") from error


def _checked(url: str, file: IO[bytes], checksum: str, on_progress: Counted) -> str:
    """Complete the file; its MD5 sum. A sum that is wrong because of an old beginning is found out and mended."""
    resumed = file.seek(0, os.SEEK_END) > 0
    _complete(url, file, on_progress)
    found = checksum_of(file)
    if resumed and checksum and found != checksum:
        file.truncate(0)
        _complete(url, file, on_progress)
        found = checksum_of(file)
    return found


def checksum_of(file: IO[bytes]) -> str:
    """The MD5 sum of a file's whole content: what the sets' authors publish, against accidents rather than malice."""
    file.seek(0)
    return file_digest(file, lambda: md5(usedforsecurity=False)).hexdigest()  # type: ignore[arg-type]


def _complete(url: str, file: IO[bytes], on_progress: Counted) -> None:
    """Fetch what lacks; a connection that breaks is tried again as long as something new comes, else a few times."""
    failures = 0
    while True:
        before = file.seek(0, os.SEEK_END)
        try:
            if _more(url, file, on_progress):
                return
            problem = "the connection broke off"
        except HTTPError as error:
            problem = f"the server answers {error.code} {error.reason}"
            if error.code not in BUSY:
                raise MissingPiece(_unreachable(url, problem)) from error
        except BROKEN as error:
            problem = _gist(error)
        after = file.seek(0, os.SEEK_END)
        failures = 0 if after > before else failures + 1
        if failures > len(PAUSES):
            kept = f"\n{after:,} bytes are kept: the same command goes on from there." if after else ""
            raise MissingPiece(_unreachable(url, problem) + kept)
        time.sleep(PAUSES[max(failures - 1, 0)])


def _gist(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason or type(reason).__name__)


def _unreachable(url: str, problem: str) -> str:
    return f"{url}: cannot be fetched: {problem}.\nIs there another address that has it? --from names one."


def _more(url: str, file: IO[bytes], on_progress: Counted) -> bool:
    """One request for the bytes after those that are there; whether the file is whole now."""
    begin = file.seek(0, os.SEEK_END)
    headers = {"User-Agent": f"underhood/{underhood.__version__}", "Accept-Encoding": "identity"}
    if begin:
        headers["Range"] = f"bytes={begin}-"
    try:
        with urlopen(Request(url, headers=headers), timeout=TIMEOUT) as response:
            begin, total = _place(response, begin)
            file.truncate(begin)
            return _received(response, file, begin, total, on_progress)
    except HTTPError as error:
        error.close()
        if error.code != NOT_SATISFIABLE or not begin:
            raise
        if error.headers.get("Content-Range") == f"bytes */{begin}":
            return True  # it was whole, and only the rename lacked
        file.truncate(0)  # longer than the file is: another one's
        return _more(url, file, on_progress)


def _place(response: HTTPResponse, asked: int) -> tuple[int, int | None]:
    """Where the answer's bytes begin in the file, and how long the file is if the server says."""
    length = response.headers.get("Content-Length")
    size = int(length) if length and length.isdigit() else None
    if response.status == PARTIAL and response.headers.get("Content-Range", "").startswith(f"bytes {asked}-"):
        return asked, None if size is None else asked + size
    if response.status == PARTIAL:
        raise HTTPException(f"it sent other bytes than those from {asked:,} on")
    return 0, size


def _received(response: HTTPResponse, file: IO[bytes], begin: int, total: int | None, on_progress: Counted) -> bool:
    done = file.seek(begin)
    on_progress(done, total)
    while chunk := response.read(CHUNK):
        done += file.write(chunk)
        on_progress(done, total)
    file.flush()
    return total is None or done >= total


@contextmanager
def _own(part: Path) -> Iterator[IO[bytes]]:
    """The unfinished file, for this process alone."""
    with open(part, "ab+", buffering=0) as file:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise MissingPiece(f"{part}: another process is fetching this file; let it finish.") from error
        yield file
