"""Output on disk: what is written is read once or said to be gone, whoever dies and whoever reads."""

import importlib.util
import signal
import stat
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.sessions import spool
from hostel.sessions.spool import SpoolWriter, read_spool

STREAMS = st.sampled_from(["stdout", "stderr", "log"])
APPENDS = st.lists(st.tuples(st.binary(max_size=40), STREAMS, st.booleans()), max_size=30)


def write(folder: Path, *pieces: tuple[bytes, str], cap: int = 400) -> None:
    with_cap = SpoolWriter(folder, cap)
    for data, stream in pieces:
        with_cap.append(data, stream)
    with_cap.close()


@given(
    appends=APPENDS,
    cap=st.integers(4, 200),
    reads=st.lists(st.tuples(st.integers(0, 900), st.integers(1, 99))),
)
def test_what_is_read_is_what_was_written_there(
    appends: list[tuple[bytes, str, bool]], cap: int, reads: list[tuple[int, int]]
) -> None:
    with TemporaryDirectory() as folder:
        writer, model, streams = SpoolWriter(folder, cap), b"", list[str]()
        for data, stream, reopen in appends:
            if reopen:
                writer.close()
                writer = SpoolWriter(folder, cap)
            writer.append(data, stream)
            model += data
            streams += [stream] * len(data)
        writer.close()

        assert writer.total == len(model)
        for after, limit in reads:
            piece = read_spool(folder, after, limit)
            assert piece.total == len(model)
            assert piece.start >= after
            assert piece.data == model[piece.start : piece.start + limit][: len(piece.data)]
            assert {piece.stream} >= set(streams[piece.start : piece.start + len(piece.data)])
            assert bool(piece.data) == (after < len(model))


@given(appends=APPENDS, cap=st.integers(4, 200), limit=st.integers(1, 99))
def test_the_head_and_the_last_half_of_the_cap_are_kept(
    appends: list[tuple[bytes, str, bool]], cap: int, limit: int
) -> None:
    model = b"".join(data for data, _, _ in appends)
    with TemporaryDirectory() as folder:
        write(Path(folder), *((data, stream) for data, stream, _ in appends), cap=cap)
        read, at, gaps = dict[int, bytes](), 0, list[tuple[int, int]]()
        while (piece := read_spool(folder, at, limit)).data:
            if piece.start > at:
                gaps.append((at, piece.start))
            read[piece.start] = piece.data
            at = piece.start + len(piece.data)

        assert at == len(model)
        assert len(gaps) <= 1
        for gone, back in gaps:
            assert gone == cap // 4
            assert len(model) - back >= cap // 2 - cap % 4
        kept = sum(map(len, read.values()))
        assert kept == len(model) - sum(back - gone for gone, back in gaps)
        assert kept <= cap


def test_an_offset_below_zero_counts_from_the_end(tmp_path: Path) -> None:
    write(tmp_path, (b"0123456789", "stdout"))

    assert read_spool(tmp_path, -3, 99) == (b"789", 7, 10, "stdout")
    assert read_spool(tmp_path, -30, 2) == (b"01", 0, 10, "stdout")


def test_a_piece_spans_segments_and_ends_where_the_stream_changes(tmp_path: Path) -> None:
    write(tmp_path, (b"a" * 250, "stdout"), (b"b" * 100, "stderr"), (b"c", "stdout"))

    assert read_spool(tmp_path, 0, 999) == (b"a" * 250, 0, 351, "stdout")
    assert read_spool(tmp_path, 250, 999) == (b"b" * 100, 250, 351, "stderr")
    assert read_spool(tmp_path, 350, 999) == (b"c", 350, 351, "stdout")


def test_a_folder_that_is_missing_is_an_empty_spool(tmp_path: Path) -> None:
    assert read_spool(tmp_path / "none", 0, 10) == (b"", 0, 0, "stdout")
    assert read_spool(tmp_path / "none", -5, 10) == (b"", 0, 0, "stdout")


def test_only_the_owner_may_read_and_one_stream_needs_no_sidecar(tmp_path: Path) -> None:
    folder = tmp_path / "1"
    write(folder)
    assert not folder.exists()
    write(folder, (b"x", "stdout"))

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [(path.name, stat.S_IMODE(path.stat().st_mode)) for path in folder.iterdir()] == [
        ("0000000000000000.out", 0o600)
    ]


@pytest.mark.parametrize("name", ["", "Loud", "a b", "a\n", "x" * 33])
def test_a_stream_with_another_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a stream's name has 1 to 32 characters"):
        SpoolWriter(tmp_path).append(b"x", name)


def test_a_cap_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keeps 4 bytes or more, not 3"):
        SpoolWriter(tmp_path, 3)


def test_changes_of_the_stream_beyond_the_limit_are_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "MAX_MARKS", 2)
    write(tmp_path, (b"a", "x"), (b"b", "y"), (b"c", "x"), (b"d", "y"))

    assert (tmp_path / "streams").read_text() == "0 x\n1 y\n"
    assert read_spool(tmp_path, 1, 99) == (b"bcd", 1, 4, "y")


def test_a_torn_mark_and_a_mark_of_bytes_that_were_never_written_mean_nothing(tmp_path: Path) -> None:
    write(tmp_path, (b"abc", "stdout"), (b"def", "stderr"))
    with (tmp_path / "streams").open("a") as marks:
        marks.write("900 later\n6 std")

    assert read_spool(tmp_path, 4, 99) == (b"ef", 4, 6, "stderr")
    write(tmp_path, (b"g", "log"))
    assert (tmp_path / "streams").read_text() == "3 stderr\n6 log\n"
    assert read_spool(tmp_path, 6, 99) == (b"g", 6, 7, "log")


def test_a_process_without_hostel_loads_it_by_its_path(tmp_path: Path) -> None:
    code = (
        "import importlib.util, sys\n"
        "made = importlib.util.spec_from_file_location('spool', sys.argv[1])\n"
        "spool = importlib.util.module_from_spec(made); made.loader.exec_module(spool)\n"
        "spool.SpoolWriter(sys.argv[2]).append(b'hello', 'stderr')\n"
        "assert not [name for name in sys.modules if name.startswith(('hostel', 'attr', 'anyio'))]"
    )
    found = importlib.util.find_spec("hostel.sessions.spool")
    assert found is not None
    assert found.origin is not None
    subprocess.run([sys.executable, "-S", "-c", code, found.origin, tmp_path], check=True)

    assert read_spool(tmp_path, 0, 99) == (b"hello", 0, 5, "stderr")


NUMBERS = "".join(f"{number:07}\n" for number in range(1_000_000)).encode()
"""8 bytes at each offset that is a multiple of 8, and they say which."""
WRITER = """
import sys
from hostel.sessions.spool import SpoolWriter
writer, number = SpoolWriter(sys.argv[1], 4096), 0
print(flush=True)
while writer.total < int(sys.argv[2]):
    number = writer.total // 8
    size = 1 + number % 300
    line = b"".join(b"%07d\\n" % (number + more) for more in range(size))[writer.total % 8:]
    writer.append(line, "stderr" if number // 1000 % 2 else "stdout")
"""


def is_right(piece: spool.Piece) -> bool:
    return piece.data == NUMBERS[piece.start : piece.start + len(piece.data)]


def test_a_reader_of_a_spool_that_another_process_writes_sees_every_byte_once_or_hears_it_is_gone(
    tmp_path: Path,
) -> None:
    end, at, gone, read = 2_000_000, 0, 0, 0
    with subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, str(end)]) as writer:
        while at < end:
            piece = read_spool(tmp_path, at, 1500)
            assert piece.start >= at
            assert is_right(piece)
            gone += piece.start - at
            read += len(piece.data)
            at = piece.start + len(piece.data)
            assert piece.data or writer.poll() in (None, 0)

    assert writer.returncode == 0
    assert gone + read == at == read_spool(tmp_path, 0, 1).total


def test_what_a_killed_writer_left_is_whole_and_the_next_goes_on_after_it(tmp_path: Path) -> None:
    for _ in range(5):
        before = read_spool(tmp_path, 0, 0).total
        with subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, "8000000"]) as writer:
            while read_spool(tmp_path, 0, 0).total < before + 20_000:
                assert writer.poll() is None
            writer.send_signal(signal.SIGKILL)
        at, total = 0, read_spool(tmp_path, 0, 0).total
        while at < total:
            piece = read_spool(tmp_path, at, 999)
            assert piece.data
            assert is_right(piece)
            at = piece.start + len(piece.data)
        assert SpoolWriter(tmp_path, 4096).total == total


FULL = """
import resource, signal, sys
from hostel.sessions.spool import SpoolWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
writer = SpoolWriter(sys.argv[1])
try:
    writer.append(b"x" * 5000, "stderr")
except OSError:
    print(writer.total)
"""


def test_a_disk_that_is_full_is_told_and_what_it_took_can_be_read(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, tmp_path], capture_output=True, check=True)

    assert done.stdout == b"1000\n"
    assert read_spool(tmp_path, 0, 9999) == (b"x" * 1000, 0, 1000, "stderr")


def test_a_file_where_the_folder_should_be_is_an_os_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()

    with pytest.raises(OSError, match="file"):
        SpoolWriter(path)
    with pytest.raises(OSError, match="file"):
        read_spool(path, 0, 1)
