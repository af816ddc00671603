"""How good a model is, in numbers: its drawings of digits, coloured ones, enlarged ones; and the judge of them."""

from minisd.evaluation.judge import Judge

__all__ = ["Judge"]
