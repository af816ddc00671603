"""A copy is found whatever it was dressed in; two who wrote the same thing alone are not."""

from __future__ import annotations

import ast
import inspect
import itertools
from pathlib import Path
from types import ModuleType

import pytest
from minisd_kernels.shapes import UNetShape

from minisd.course import own
from minisd.course.exercise import Exercise, load, numbers
from minisd.course.grading.plagiarism import ALIKE, ENOUGH, LIBRARY, compare, pairs, windows

WRITTEN = [load(number) for number in numbers() if not load(number).is_question]

MINE = '''
import numpy as np

def padded(x, border):
    """Zeros around."""
    B, H, W, C = x.shape
    out = np.zeros((B, H + 2 * border, W + 2 * border, C), x.dtype)
    out[:, border : border + H, border : border + W] = x
    return out

def edges(x, threshold, border=1):
    x = padded(x, border)
    total = 0
    for b in range(x.shape[0]):
        for i in range(border, x.shape[1] - border):
            row = x[b, i]
            slope = np.abs(row[1:] - row[:-1]).sum(axis=-1)
            if slope.max() > threshold:
                total += int(np.argmax(slope)) - border
            else:
                total -= 1
    return total / max(1, x.shape[0])
'''

DISGUISED = '''
import numpy as np

# all my own work
def edges(picture: np.ndarray, limit: float, margin: int = 1) -> float:
    """I thought about this for long."""
    unused = [3, 1, 2]
    picture = surround(picture, margin)
    # the sum
    result = 0
    for number in range(picture.shape[0]):
        for y in range(margin, picture.shape[1] - margin):
            "here the line"
            line = picture[number, y]
            change = np.abs(line[1:] - line[:-1]).sum(axis=-1)
            print(unused)
            if change.max() > limit:
                result += int(np.argmax(change)) - margin
            else:
                result -= 1
    return result / max(1, picture.shape[0])


def surround(p, m):
    n, h, w, c = p.shape
    new = np.zeros((n, h + 2 * m, w + 2 * m, c), p.dtype)
    new[:, m : m + h, m : m + w] = p
    return new
'''

ALONE = """
import numpy as np

def edges(x, threshold, border=1):
    frame = [(0, 0), (border, border), (border, border), (0, 0)]
    steps = np.abs(np.diff(np.pad(x, frame), axis=2)).sum(-1)[:, border:-border]
    first = steps.argmax(-1) - border
    return float(np.where(steps.max(-1) > threshold, first, -1).sum()) / max(1, len(x))
"""


@pytest.fixture
def exercise(tmp_path: Path) -> Exercise:
    file = tmp_path / "ex03_9_edges.py"
    file.write_text(
        '"""Edges"""\nimport numpy as np\nGIVEN, POINTS = ("np",), 1\n\n'
        "def edges(x, threshold, border=1):\n    found = {}\n"
        "    for place, row in enumerate(x.reshape(-1, x.shape[-1])):\n"
        "        found[place] = [value for value in row if value > threshold and place % border == 0]\n"
        "        while len(found[place]) > 3 and sum(found[place]) > threshold * border:\n"
        "            found[place] = sorted(found[place])[1:-1]\n"
        "    return {key: tuple(values) for key, values in found.items() if values or key == threshold}\n\n"
        "def right_alone(x, threshold, border=1):\n    pass\n"
    )
    module = ModuleType("minisd.course.exercises.ex03_9_edges")
    exec(file.read_text(), vars(module))
    return Exercise("03.9", file, module)


def test_a_disguised_copy_is_found_and_an_independent_answer_is_not(exercise: Exercise) -> None:
    (pair,) = compare(exercise, {"ada": MINE, "bo": DISGUISED, "cy": ALONE})
    assert (pair.one, pair.other) == ("ada", "bo")
    assert pair.share > 0.8 and pair.windows >= ENOUGH
    assert str(pair).startswith("03.9 ada = bo: ")


def test_a_part_that_was_copied_is_found(exercise: Exercise) -> None:
    first, _, second = MINE.partition("def edges")
    half = second.partition("    return total")[0]
    longer = f"{first}{ALONE.replace('edges', 'other')}\ndef edges{half}    return other(x, threshold) + total\n"
    assert [pair.other for pair in compare(exercise, {"ada": MINE, "bo": longer})] == ["bo"]


def test_the_librarys_solution_is_a_source_of_its_own(exercise: Exercise) -> None:
    solution = exercise.file.read_text().replace("found", "mine").replace("place", "i").partition("def right_")[0]
    found = compare(exercise, {"ada": solution, "bo": solution, "cy": ALONE})
    assert [(pair.one, pair.other) for pair in found] == [("ada", LIBRARY), ("bo", LIBRARY)]


def test_the_librarys_own_file_is_its_solution_too(exercise: Exercise) -> None:
    """A solution may be one call; what it calls can be copied as well."""
    vars(exercise.module)["UNetShape"] = UNetShape
    source = Path(inspect.getfile(UNetShape)).read_text(encoding="utf-8").replace("size", "n")
    (pair,) = compare(exercise, {"ada": source, "bo": ALONE})
    assert (pair.one, pair.other) == ("ada", LIBRARY)


def test_what_many_write_is_how_one_writes_it(exercise: Exercise) -> None:
    alike = {f"learner {i}": MINE for i in range(6)}
    assert compare(exercise, alike | {"other": ALONE}) == []
    three = dict(list(alike.items())[:3])
    assert len(compare(exercise, three | {f"other {i}": "" for i in range(5)})) == 3


def test_holes_and_broken_files_are_equal_to_nothing(exercise: Exercise) -> None:
    hole = "def edges(x, threshold, border=1):\n    raise NotImplementedError\n"
    deep = "x = " + "+".join("a" * 50_000)
    assert compare(exercise, dict(enumerate_names([hole, hole, "def f(:", "def f(:", deep, deep, "\0"]))) == []


def enumerate_names(texts: list[str]) -> list[tuple[str, str]]:
    return [(f"learner {i}", text) for i, text in enumerate(texts)]


def test_a_class_counts_by_its_methods(exercise: Exercise) -> None:
    body = MINE.partition("def edges")[2].replace("padded(x, border)", "self.grown(x)").replace("total", "self.total")
    one = "import numpy as np\nclass Edges:\n" + "".join(f"    {line}\n" for line in f"def run{body}".splitlines())
    other = one.replace("run", "walk").replace("self.total", "self.count").replace("grown", "wide")
    assert len(compare(exercise, {"ada": one, "bo": other})) == 1


@pytest.mark.parametrize("exercise", WRITTEN, ids=lambda e: e.file.stem)
def test_right_answers_of_their_own_are_not_reported(exercise: Exercise) -> None:
    """Neither by compare(), which knows them, nor by what they share."""
    text = exercise.file.read_text(encoding="utf-8")
    texts = {name: _as_answer(text, f"right_{name}", exercise) for name in exercise.variants("right")}
    assert compare(exercise, texts) == []
    seen = {name: windows(answer) for name, answer in texts.items()}
    for one, other in itertools.combinations(seen, 2):
        shared = len(seen[one] & seen[other])
        assert shared < ENOUGH or shared < 0.7 * ALIKE * min(len(seen[one]), len(seen[other])), f"{one}, {other}"


def _as_answer(text: str, name: str, exercise: Exercise) -> str:
    """One of the exercise's right answers as a learner's file."""
    tree = ast.parse(text)
    roles = (ast.FunctionDef, ast.ClassDef)
    kept = [node for node in tree.body if not isinstance(node, roles) or node.name == name]
    for node in kept:
        if isinstance(node, roles):
            node.name = exercise.name
    return ast.unparse(ast.Module(kept, []))


def test_folders_are_compared(tmp_path: Path) -> None:
    sizes, question = load("02.1"), load("02.9")
    for name in ("a", "b"):
        (tmp_path / name / "exercises").mkdir(parents=True)
        (tmp_path / name / own.NAME_FILE).write_text(name)
        (tmp_path / name / "exercises" / sizes.file.name).write_text(
            MINE.replace("edges", "output_size") + "\nif True:\n    x = 1\n"
        )
    (tmp_path / "c").mkdir()
    steps: list[int] = []
    found = pairs([tmp_path / name for name in "abc"], [sizes, question], steps.append)
    assert [(pair.one, pair.other, pair.share) for pair in found] == [("a", "b", 1.0)]
    assert steps == [1, 1]
    (tmp_path / "b" / "exercises" / sizes.file.name).write_text("def output_size(n, k, s=1, p=0):\n    return 1\n")
    assert pairs([tmp_path / name for name in "abc"], [sizes], steps.append) == []
