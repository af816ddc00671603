"""Memory: freed blocks stay, so that large arrays made again cost no page faults; and what was used is known."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from minisd.memory import page_faults, peak_memory

FAULTS = """
import sys
import numpy as np
from minisd.memory import keep_freed_memory, page_faults
kept = sys.argv[1] == "kept" and keep_freed_memory()
def fill():
    np.ones(1 << 24, np.float32)  # 64 MiB: more than the C library keeps by itself
fill(), fill()
before = page_faults()
for _ in range(4):
    fill()
print(int(kept), page_faults() - before)
"""


def faults(how: str) -> tuple[bool, int]:
    answer = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True).stdout
    kept, count = map(int, answer.split())
    return bool(kept), count


@pytest.mark.skipif(sys.platform != "linux", reason="GNU C library only")
def test_large_arrays_made_again_fault_no_pages() -> None:
    kept, few = faults("kept")
    if not kept:
        pytest.skip("this C library has no mallopt")
    _, many = faults("as it is")
    assert few < 100 < many


def test_the_peak_counts_what_was_held() -> None:
    before = peak_memory()
    if before is None:
        pytest.skip("this system does not say")
    held = np.ones(before // 4 + (1 << 20), np.float32)  # float32: alone more than the peak so far
    after, known = peak_memory(), page_faults()
    assert after is not None and after >= held.nbytes > before
    assert known is not None and known > 0
