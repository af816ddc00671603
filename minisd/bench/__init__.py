"""How fast minisd is: its kernels and its training steps, each beside the same work in PyTorch.

    ratio = PyTorch's time / minisd's time        above 1 minisd is faster

Before anything is timed, both must give the same outputs and gradients. Then they take turns, in one process, in many
short rounds, so that whatever else the machine does meets both alike; medians are compared. PyTorch is given its better
memory format, its fused optimiser, its compiler for whole steps, as many threads, and memory that the operating system
does not take back between two calls (``machine.py``). With --device cuda both compute on the GPU, and a call ends when
the GPU has done its work.

    case.py         what a case is: inputs, and who computes
    kernels.py      single operations, as data
    steps.py        the networks' training steps
    in_torch.py     the same in PyTorch, as candidates to be timed
    torch_twins.py  the networks in PyTorch with the same weights, the parity tests' oracle, too
    runner.py       check, take turns, medians
    machine.py      what the machine can do at most
    table.py        rows for people and for programs
    roofline.py     the picture
"""

from minisd.bench.case import Candidate, Case, Work
from minisd.bench.kernels import KERNELS
from minisd.bench.machine import Machine, measure_machine
from minisd.bench.runner import Mismatch, Row, run_case
from minisd.bench.steps import STEPS

__all__ = ["KERNELS", "STEPS", "Candidate", "Case", "Machine", "Mismatch", "Row", "Work", "measure_machine", "run_case"]
