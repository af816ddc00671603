"""What may be switched: Winograd's rounding and the tensor cores', by a block or a variable; how many threads."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from minisd_kernels import backends, relu, switches
from minisd_kernels.backends import BackendUnavailable
from minisd_kernels.switches import Switch

from minisd.cli import main


def test_a_switch_is_on_unless_a_block_or_the_variable_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINISD_TRIED", raising=False)
    switch = Switch("MINISD_TRIED")
    assert switch
    with pytest.raises(KeyError), switch.off():
        with switch.off():
            assert not switch
        assert not switch
        raise KeyError
    assert switch
    for text, on in (("0", False), ("1", True), ("", True)):
        monkeypatch.setenv("MINISD_TRIED", text)
        assert bool(switch) is on


def test_fewer_threads_inside_the_block_and_as_many_as_before_after_it() -> None:
    import numba

    before = numba.get_num_threads()
    with switches.use_threads(1):
        assert numba.get_num_threads() == 1
    assert numba.get_num_threads() == before
    for wrong in (0, -1, numba.config.NUMBA_NUM_THREADS + 1):
        with pytest.raises(ValueError, match="threads"), switches.use_threads(wrong):
            pass


def test_before_numba_starts_the_number_of_its_threads_is_set() -> None:
    code = """
from minisd_kernels import silu, switches
import numpy as np
with switches.use_threads(3):
    silu.forward(np.ones(4, np.float32))
    import numba
    print(numba.config.NUMBA_NUM_THREADS, numba.get_num_threads())
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["3", "3"]


@pytest.mark.parametrize("text", ["a few", "0", "-1", "1.5", "1000000", "9" * 50])
def test_nonsense_in_the_variable_is_named_with_this_machines_number(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_NUM_THREADS", text)
    backends.missing_reason.cache_clear()
    try:
        with pytest.raises(BackendUnavailable, match=rf"NUMBA_NUM_THREADS: wanted 1 to {switches.most_threads()} on"):
            backends.current_backend()
        with backends.use_backend("numpy"):
            assert relu.forward(np.ones(1)).tolist() == [1]
    finally:
        backends.missing_reason.cache_clear()
    said = CliRunner().invoke(main, ["info"])
    assert said.exit_code == 2 and f"machine of {os.cpu_count()} cores, got {text!r}" in said.stderr


def test_the_number_of_threads_without_asking_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_NUM_THREADS", "3")
    assert switches.thread_count() == 3
    monkeypatch.delenv("NUMBA_NUM_THREADS")
    assert 1 <= switches.thread_count() <= switches.most_threads()


def test_more_threads_than_a_machine_can_run_are_one_message() -> None:
    result = CliRunner().invoke(main, ["--threads", "1000000", "info"])
    assert result.exit_code == 2
    assert f"wanted 1 to {switches.most_threads()} on this machine of {os.cpu_count()} cores" in result.stderr
