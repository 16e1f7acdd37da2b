"""Files that take a place whole, and what a killed process was writing."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.errors import WriteError
from trainer.files import clear_left, replacing, write_durably

WRITER = """
import sys
from pathlib import Path
from trainer.files import replacing

with replacing(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    sys.stdin.read()
    file.write(b" and half")
"""


@pytest.fixture
def writer(tmp_path):
    """A process that writes `place` and waits in the midst of it until its stdin is closed."""
    words = [sys.executable, "-c", WRITER, str(tmp_path / "below" / "place")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"writing\n"
        yield process
        process.kill()


def names(folder):
    return [path.name for path in folder.rglob("*") if path.is_file()]


def test_what_a_living_process_writes_is_left_alone(tmp_path, writer):
    [aside] = names(tmp_path)
    clear_left(tmp_path)
    assert names(tmp_path) == [aside]
    writer.communicate()
    assert writer.returncode == 0
    assert names(tmp_path) == ["place"]
    assert (tmp_path / "below" / "place").read_bytes() == b"half and half"


def test_what_a_killed_process_wrote_is_cleared(tmp_path, writer):
    (tmp_path / "below" / "other").write_bytes(b"whole")
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert len(names(tmp_path)) == 2
    clear_left(tmp_path)
    assert names(tmp_path) == ["other"]


class Unlucky(type(Path())):
    """A place whose first file is cleared away by another process between its creation and its lock."""

    opened = 0

    def open(self, *args):
        file = super().open(*args)
        Unlucky.opened += 1
        if Unlucky.opened == 1:
            clear_left(Path(self.parent))
        return file


def test_a_file_that_is_cleared_before_it_is_locked_is_begun_again(tmp_path):
    write_durably(Unlucky(tmp_path / "place"), b"whole")
    assert Unlucky.opened == 2
    assert names(tmp_path) == ["place"]
    assert (tmp_path / "place").read_bytes() == b"whole"


def test_an_error_leaves_what_was_there(tmp_path):
    write_durably(tmp_path / "place", b"old")
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "place") as file:
        file.write(b"new")
        file.write(bytes(1 // 0))
    assert names(tmp_path) == ["place"]
    assert (tmp_path / "place").read_bytes() == b"old"


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="file/place: not written"):
        write_durably(tmp_path / "file" / "place", b"")


def test_there_may_be_no_folder_yet(tmp_path):
    clear_left(tmp_path / "nothing")
