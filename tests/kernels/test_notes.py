"""What takes long is said once."""

from __future__ import annotations

import pytest
from minisd_kernels import notes


def test_a_note_is_said_once_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(notes, "quiet", False)
    monkeypatch.setattr(notes, "_said", set())
    notes.say("compiling")
    notes.say("compiling")
    assert capsys.readouterr() == ("", "minisd: compiling\n")
    monkeypatch.setattr(notes, "quiet", True)
    notes.say("another")
    assert capsys.readouterr() == ("", "")
