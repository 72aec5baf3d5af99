"""One file from a server that breaks off, knows no ranges, sends the wrong thing or nothing at all."""

import errno
import sys
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from underhood.data import download
from underhood.data.download import fetch
from underhood.errors import BadInput, MissingPiece

BODY = bytes(range(256)) * 4000  # about a megabyte
SUM = md5(BODY).hexdigest()


@pytest.fixture(autouse=True)
def set_bin(server: Any) -> None:
    server.files["/set.bin"] = BODY


def get(server: Any, path: Path, checksum: str = SUM, **more: Any) -> None:
    fetch(f"{server.url}/set.bin", path, checksum, **more)


def alone(path: Path) -> bool:
    """Whether nothing but the file lies in its folder."""
    return [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sets" / "set.bin"


def test_a_whole_file(server: Any, path: Path) -> None:
    told = []
    get(server, path, on_progress=lambda *said: told.append(said))
    assert path.read_bytes() == BODY
    assert alone(path)
    assert (told[0], told[-1]) == (("set.bin", 0, len(BODY)), ("set.bin", len(BODY), len(BODY)))
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert server.asked == [("/set.bin", None)]


def test_a_connection_that_breaks_is_taken_up_where_it_was(server: Any, path: Path) -> None:
    server.cuts = [300_000, 0, 0, 500_000]
    get(server, path)
    assert path.read_bytes() == BODY
    ranges = [wanted for _, wanted in server.asked]
    assert ranges == [None, "bytes=300000-", "bytes=300000-", "bytes=300000-", "bytes=800000-"]


def test_one_that_breaks_time_and_again_is_given_up_and_the_next_command_goes_on(server: Any, path: Path) -> None:
    server.cuts = [300_000, 0, 0, 0, 0]
    with pytest.raises(MissingPiece) as error:
        get(server, path)
    assert str(error.value).startswith(f"{server.url}/set.bin: cannot be fetched: the connection broke off.\n")
    assert str(error.value).endswith("300,000 bytes are kept: the same command goes on from there.")
    assert not path.exists()
    assert (path.parent / "set.bin.part").stat().st_size == 300_000
    told = []
    get(server, path, on_progress=lambda *said: told.append(said))
    assert server.asked[-1] == ("/set.bin", "bytes=300000-")
    assert told[0] == ("set.bin", 300_000, len(BODY))
    assert path.read_bytes() == BODY
    assert alone(path)


def test_stopped_by_the_user_what_came_is_kept(server: Any, path: Path) -> None:
    def stop(name: str, done: int, total: int | None) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(server, path, on_progress=stop)
    kept = (path.parent / "set.bin.part").read_bytes()
    assert kept
    assert BODY.startswith(kept)
    get(server, path)
    assert server.asked[-1][1] == f"bytes={len(kept)}-"
    assert path.read_bytes() == BODY


@pytest.mark.parametrize("lengths", [True, False])
def test_a_server_without_ranges_begins_anew(server: Any, path: Path, lengths: bool) -> None:
    server.ranges, server.lengths = False, lengths
    path.parent.mkdir()
    (path.parent / "set.bin.part").write_bytes(BODY[:100_000])
    get(server, path)
    assert path.read_bytes() == BODY
    assert len(server.asked) == 1


def test_a_server_that_always_breaks_at_the_same_place_is_given_up(server: Any, path: Path) -> None:
    server.ranges, server.cuts = False, [1000] * 20
    with pytest.raises(MissingPiece, match="the connection broke off"):
        get(server, path)
    assert len(server.asked) == 5


def test_the_beginning_of_another_file_is_found_out(server: Any, path: Path) -> None:
    path.parent.mkdir()
    (path.parent / "set.bin.part").write_bytes(b"?" * 100_000)
    get(server, path)
    assert path.read_bytes() == BODY
    assert [wanted for _, wanted in server.asked] == ["bytes=100000-", None]


@pytest.mark.parametrize("left", [BODY, BODY + b"more", b"?" * len(BODY)])
def test_an_unfinished_file_that_is_whole_or_too_long(server: Any, path: Path, left: bytes) -> None:
    path.parent.mkdir()
    (path.parent / "set.bin.part").write_bytes(left)
    get(server, path)
    assert path.read_bytes() == BODY
    assert alone(path)


def test_other_bytes_than_those_asked_for_are_not_taken(server: Any, path: Path) -> None:
    server.shift = 7
    path.parent.mkdir()
    (path.parent / "set.bin.part").write_bytes(BODY[:100_000])
    with pytest.raises(MissingPiece, match="it sent other bytes than those from 100,000 on"):
        get(server, path)


def test_a_wrong_checksum_leaves_nothing(server: Any, path: Path) -> None:
    server.files["/set.bin"] = BODY[:-1] + b"?"
    with pytest.raises(BadInput) as error:
        get(server, path)
    found = md5(server.files["/set.bin"]).hexdigest()
    assert f"set.bin: what {server.url}/set.bin sent has the MD5 sum {found}, the published file {SUM}." in str(
        error.value
    )
    assert list(path.parent.iterdir()) == []


def test_a_file_cut_short_without_a_length_is_found_by_its_sum(server: Any, path: Path) -> None:
    server.lengths, server.cuts = False, [1000]
    with pytest.raises(BadInput, match="MD5 sum"):
        get(server, path)
    assert not path.exists()


def test_an_old_file_stays_until_the_new_one_is_whole_and_right(server: Any, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"old")
    server.cuts = [10, 0, 0, 0, 0]
    with pytest.raises(MissingPiece):
        get(server, path)
    assert path.read_bytes() == b"old"
    get(server, path)
    assert path.read_bytes() == BODY


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (403, 1), (410, 1)])
def test_what_is_not_there_is_not_asked_for_twice(server: Any, path: Path, status: int, requests: int) -> None:
    server.statuses = [status] * 10
    said = f"the server answers {status} .*\nIs there another address .* --from"
    with pytest.raises(MissingPiece, match=said) as error:
        get(server, path)
    assert error.value.exit_code == 3
    assert len(server.asked) == requests


def test_a_busy_server_is_asked_again(server: Any, path: Path) -> None:
    server.statuses = [503, 429]
    get(server, path)
    assert path.read_bytes() == BODY
    server.statuses = [503] * 10
    with pytest.raises(MissingPiece, match="the server answers 503"):
        get(server, path.with_name("again"))


def test_no_server_at_all(server: Any, path: Path) -> None:
    with pytest.raises(MissingPiece, match=r"set\.bin: cannot be fetched: Connection refused"):
        fetch("http://127.0.0.1:9/set.bin", path)


def test_an_empty_file(server: Any, path: Path) -> None:
    server.files["/set.bin"] = b""
    get(server, path, checksum="d41d8cd98f00b204e9800998ecf8427e")
    assert path.read_bytes() == b""


def test_without_a_checksum_any_whole_file_will_do(server: Any, path: Path) -> None:
    get(server, path, checksum="")
    assert path.read_bytes() == BODY


def test_only_the_web_is_asked(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="file:///etc/hosts: an address that begins with http"):
        fetch("file:///etc/hosts", tmp_path / "hosts")


@pytest.mark.skipif(sys.platform == "win32", reason="no flock there")
def test_two_at_once_are_one_too_many(server: Any, path: Path) -> None:
    import fcntl

    path.parent.mkdir()
    with open(path.parent / "set.bin.part", "ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(MissingPiece, match=r"set\.bin\.part: another process is fetching this file"):
            get(server, path)
    get(server, path)
    assert path.read_bytes() == BODY


def test_a_full_disk_is_named(server: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download, "_received", full)
    with pytest.raises(MissingPiece, match=r"set\.bin\.part: cannot be written \(No space left on device\)"):
        get(server, path)
    assert len(server.asked) == 1


def test_a_place_that_is_a_file(server: Any, path: Path) -> None:
    path.parent.write_text("not a folder")
    with pytest.raises(MissingPiece, match="sets: cannot be written"):
        get(server, path)
