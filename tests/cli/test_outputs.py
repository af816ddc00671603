"""Outputs: what is there is never replaced, two commands never share a name, and a failure leaves nothing behind."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from minisd.cli.options import Failure
from minisd.cli.outputs import new_files, numbered_files


def everything() -> list[str]:
    return sorted(str(path) for path in Path().rglob("*"))


def test_a_made_up_name_gets_a_number_which_all_its_files_share() -> None:
    Path("seven-steps.png").write_text("old")
    for wanted in (["seven-2.png", "seven-2-steps.png"], ["seven-3.png", "seven-3-steps.png"]):
        with numbered_files("seven", ".png", "-steps.png") as paths:
            assert [str(path) for path in paths] == wanted and all(path.exists() for path in paths)
            for path in paths:
                path.write_text("new")
    assert Path("seven-steps.png").read_text() == "old" and not Path("seven.png").exists()


def test_many_at_once_have_a_name_each() -> None:
    def write(i: int) -> str:
        with numbered_files("seven", ".png") as (path,):
            path.write_text(str(i))
        return path.read_text()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(write, range(40))) == [str(i) for i in range(40)]
    assert len(everything()) == 40


def test_a_name_that_is_taken_is_refused() -> None:
    Path("a.png").write_text("old")
    Path("folder").mkdir()
    Path("link.png").symlink_to("nowhere")
    for name in ("a.png", "folder", "link.png"):
        with pytest.raises(Failure, match=f"{name} is there already; choose another name"), new_files(Path(name)):
            pass
    assert everything() == ["a.png", "folder", "link.png"] and Path("a.png").read_text() == "old"


def test_two_outputs_of_one_name_are_refused() -> None:
    with (
        pytest.raises(Failure, match=r"sub/\.\./y.png is named for two outputs"),
        numbered_files("y", ".png") as (path,),
        new_files(Path("sub/../y.png")),
    ):
        pass
    assert everything() == []
    with new_files(path), pytest.raises(Failure, match=r"y.png is named for two outputs"), new_files(None, path):
        pass


def test_what_was_not_written_is_given_back() -> None:
    with pytest.raises(ZeroDivisionError), new_files(Path("new/deep/a.png"), None, Path("new/b.png")) as (first, _):
        first.write_text("whole")
        raise ZeroDivisionError
    assert everything() == ["new", "new/deep", "new/deep/a.png"]
    with pytest.raises(Failure, match="is there already"), new_files(Path("other/c.png"), first):
        pass
    assert not Path("other").exists()


@pytest.mark.parametrize("name", ["file/a.png", "file/below/a.png", "x" * 300])
def test_a_place_that_cannot_be_written_is_one_message(name: str) -> None:
    Path("file").write_text("")
    for files in (new_files(Path(name)), numbered_files(name, "")):
        with pytest.raises(Failure, match="could not be written"), files:
            pass
    assert everything() == ["file"]


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="no devices here")
def test_a_device_may_be_written_to_again() -> None:
    with new_files(Path("/dev/null"), Path("/dev/null")) as paths:
        assert len(paths) == 2
    assert os.path.exists("/dev/null")
