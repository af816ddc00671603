"""Which of a GPU's special instructions a kernel uses, read from its machine code (SASS).

HMMA, IMMA, DMMA    a product of small matrices by the tensor cores
LDGSTS              a copy from global to shared memory past the registers, while the thread goes on
LDG, STG .128       16 bytes at once from and to global memory: four floats
LDS, STS .128       the same with shared memory
SHFL                a number from another lane of the warp
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from minisd_kernels.cuda import toolkit

MISSING = "instructions are not shown: no nvdisasm here (pip install 'minisd[nvrtc]')"
_FUNCTION = re.compile(r"^//-+ \.text\.(\w+) +-+$", re.MULTILINE)
_OPERATION = re.compile(r"^\s+/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)", re.MULTILINE)
_ALONE = ("HMMA", "IMMA", "DMMA", "LDGSTS", "SHFL")
_WIDE = ("LDG", "STG", "LDS", "STS")


def special_instructions(cubin: bytes) -> dict[str, list[str]]:
    """The special instructions of each function in the machine code, if nvdisasm is installed; else nothing."""
    if (program := toolkit.disassembler()) is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder) / "kernels.cubin").write_bytes(cubin)
        text = subprocess.run([program, "-c", "-ndf", path], check=True, capture_output=True, text=True).stdout
    _, *parts = _FUNCTION.split(text)
    return {name: special_in(code) for name, code in zip(parts[::2], parts[1::2], strict=True)}


def special_in(code: str) -> list[str]:
    """The special instructions in disassembled code.

    >>> special_in('''
    ...         /*0000*/              @!P0 LDG.E.128.CONSTANT R4, desc[UR8][R2.64] ;
    ...         /*0010*/                   HFMA2.MMA R19, -RZ, RZ, 0, 0 ;
    ...         /*0020*/                   SHFL.BFLY PT, R3, R6, 0x10, 0x1f ;
    ... ''')
    ['LDG.128', 'SHFL']
    """
    found = set()
    for operation in _OPERATION.findall(code):
        name, *modifiers = operation.split(".")
        if name in _ALONE:
            found.add(name)
        elif name in _WIDE and "128" in modifiers:
            found.add(f"{name}.128")
    return sorted(found)
