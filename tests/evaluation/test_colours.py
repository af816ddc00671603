"""The judge of coloured digits reads what was drawn, and counts what was obeyed."""

import numpy as np
import pytest

from minisd.data.colours import NAMES, ColourSet, combinations, draw_colours
from minisd.evaluation import Judge
from minisd.evaluation.colours import Obeyed, evaluate, look


@pytest.fixture(scope="module")
def drawn() -> ColourSet:
    return draw_colours(60, 3, held_out=None)


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge.load()


def test_what_code_drew_is_read_without_a_mistake(drawn: ColourSet, judge: Judge) -> None:
    seen = look(judge, drawn.images)
    for told, known in zip(seen, (drawn.digits, drawn.inks, drawn.grounds), strict=True):
        np.testing.assert_array_equal(told, known)


def test_an_empty_picture_has_a_ground_and_no_other_ink(judge: Judge) -> None:
    seen = look(judge, np.full((1, 32, 32, 3), 245, np.uint8))
    assert NAMES[seen.inks[0]] == NAMES[seen.grounds[0]] == "white"


class Painter:
    """A model that draws its own pictures, whatever it is asked, and keeps what it was asked."""

    def __init__(self, images: np.ndarray) -> None:
        self.images, self.asked, self.options = images, [], []

    def draw(self, prompts: list[str], **options: object) -> np.ndarray:
        self.asked += prompts
        self.options.append(options)
        return self.images[np.arange(len(prompts)) % len(self.images)]

    def encode(self, images: np.ndarray) -> np.ndarray:
        return images

    def decode(self, z: np.ndarray) -> np.ndarray:
        return (z // 2).astype(np.uint8)


def test_what_was_asked_is_counted(drawn: ColourSet, judge: Judge) -> None:
    one = ColourSet(drawn.images[:1], drawn.digits[:1], drawn.inks[:1], drawn.grounds[:1])
    painter, said = Painter(one.images), []
    report = evaluate(painter, judge, one, count=504, seed=5, say=said.append, steps=3)  # type: ignore[arg-type]
    shown, hidden = report.drawings
    assert report.judge == Obeyed("pictures drawn by code", 1, 1.0, 1.0, 1.0, 1.0)
    assert len({*painter.asked[:504]}) == 504 and len({*painter.asked[504:]}) == 56  # all are drawn equally often
    assert "a red seven on blue" in painter.asked[504:] and "a red seven on blue" not in painter.asked[:504]
    assert painter.options == [{"seed": 5, "steps": 3}] * 2 and len(said) == 3
    for part, held_out in ((shown, False), (hidden, True)):
        every = np.array(combinations(held_out=held_out))
        right = every == [one.digits[0], one.inks[0], one.grounds[0]]
        assert [part.digit, part.ink, part.ground] == pytest.approx(right.mean(0).tolist())
        assert part.all_three == pytest.approx(right.all(1).mean()) and part.count == 504
    error = (one.images.astype(float) - one.images // 2) ** 2
    assert report.vae_psnr == pytest.approx(10 * np.log10(255**2 / error.mean()))
    assert set(report.as_json()) == {"judge", "drawings", "vae_psnr"}


def test_an_order_of_its_own_for_each_seed(drawn: ColourSet, judge: Judge) -> None:
    first, again, other = (Painter(drawn.images[:1]) for _ in range(3))
    for painter, seed in ((first, 1), (again, 1), (other, 2)):
        evaluate(painter, judge, drawn, count=10, seed=seed, say=lambda line: None)  # type: ignore[arg-type]
    assert first.asked == again.asked != other.asked
