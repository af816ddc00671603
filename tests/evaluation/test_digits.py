"""Measuring a model: real, collapsed and partly wrong digits have figures that can be worked out by hand.

Features are what a stub judge says they are, so that distances have closed forms: a picture is a number, written into
its first pixels, and looked up in a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from minisd_kernels.backends import use_backend
from numpy.typing import NDArray

from minisd import checkpoint
from minisd.autograd import Array, Tensor
from minisd.checkpoint import CheckpointError
from minisd.data import DigitSet, draw_strokes
from minisd.evaluation import Judge
from minisd.evaluation.digits import Report, check_count, evaluate, guidance_curve
from minisd.metrics import diversity_ratio, frechet_distance, precision_and_recall, wilson_interval
from minisd.pictures import to_bytes
from minisd.pipeline import shipped_model
from minisd.text.captions import Caption, parse_caption

PER_DIGIT = 20
COUNT = 10 * PER_DIGIT
LABELS = np.arange(COUNT) % 10


def pictures(first: int) -> NDArray[np.uint8]:
    """COUNT pictures that say their number, `first` and on, in even bytes, so that a reconstruction may be off by 1."""
    images = np.zeros((COUNT, 28, 28), np.uint8)
    images[:, 0, :2] = np.stack(np.divmod(np.arange(first, first + COUNT), 100), axis=1) * 2
    return images


def numbers(images: Array) -> NDArray[np.int64]:
    high, low = (images[:, 0, i].astype(np.int64) // 2 for i in range(2))
    return np.asarray(100 * high + low)


def attributes(step: int) -> Any:
    """Every bin of thickness and slant, in turn; as code that draws digits knows them."""
    turn = np.arange(COUNT) // 10
    thin_to_thick, left_to_right = np.array([1.0, 2.4, 9.0]), np.array([-40.0, 5.0, 60.0])
    return SimpleNamespace(thickness=thin_to_thick[turn % 3], slant=left_to_right[turn // step % 3])


@dataclass
class World:
    """A judge and a model to be measured, both of whom know the pictures by their numbers: 0.. test, 1000.. train."""

    test: DigitSet = field(default_factory=lambda: DigitSet(pictures(0), LABELS, attributes(3)))
    train: DigitSet = field(default_factory=lambda: DigitSet(pictures(1000), LABELS, attributes(3)))
    shift: float = 3.0  # of the training set's features
    moved: float = 0.0  # of the drawings' features
    seen: Callable[[int], int] = lambda digit: digit
    chosen: Callable[[list[int]], list[int]] = lambda numbers: numbers
    device: str = "cpu"
    asked: list[tuple[list[str], dict[str, Any]]] = field(default_factory=list)
    looked_at: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.of_test = np.random.default_rng(0).standard_normal((COUNT, 5)) + 4 * np.eye(10, 5)[LABELS]

    # The judge

    def digits(self, images: Array) -> Array:
        return np.array([self.seen(int(number)) for number in LABELS[numbers(images) % 1000]])

    def features(self, images: Array) -> Array:
        number = numbers(images)
        self.looked_at.append(number)
        return self.features_of(number)

    def features_of(self, number: Array) -> Array:
        kind = np.array([0.0, self.shift, self.moved])[number // 1000]
        return self.of_test[number % 1000] + kind[:, None] * np.eye(5)[0]

    # The model

    def draw(self, captions: list[str], **options: Any) -> Array:
        """The k-th drawing of a digit is the k-th real one, unless `chosen` picks others."""
        self.asked.append((captions, options))
        met = [0] * 10
        found = []
        for caption in map(parse_caption, captions):
            found.append(10 * met[caption.digit] + caption.digit)
            met[caption.digit] += 1
        images = np.zeros((len(captions), 28, 28), np.uint8)
        images[:, 0, :2] = np.stack(np.divmod(np.array(self.chosen(found)) + 2000, 100), axis=1) * 2
        return images

    def encode(self, images: Array) -> Array:
        return np.asarray(images) ^ 1

    def decode(self, z: Array) -> Array:
        return np.asarray(z)

    @property
    def clip(self) -> Any:
        return SimpleNamespace(image=self.of_picture)

    def of_picture(self, x: Tensor) -> Tensor:
        number = numbers(to_bytes(x.data))
        said = [Caption(int(LABELS[n]), int(self.test.thickness_bin[n]), int(self.test.slant_bin[n])) for n in number]
        return Tensor(self.vectors(said))

    def encode_prompts(self, captions: Iterable[str]) -> Any:
        said = list(map(parse_caption, captions))
        return SimpleNamespace(pooled=self.vectors(said) * np.array([[1.0 + 9 * (c.digit == 3)] for c in said]))

    def vectors(self, said: list[Caption]) -> NDArray[np.float64]:
        """Of each caption or picture: an axis of its digit, of its thickness and slant as that digit has them, and one
        that all share, so that of texts that are not of one length the longest would be the nearest."""
        out = np.zeros((len(said), 71))
        for row, caption in zip(out, said, strict=True):
            row[[caption.digit, 70]] = 1
            if caption.thickness is not None:
                row[10 + 3 * caption.digit + caption.thickness] = 1
            if caption.slant is not None:
                row[40 + 3 * caption.digit + caption.slant] = 1
        return out

    def measure(self, **options: Any) -> Report:
        return evaluate(self, self, self.train, self.test, **{"count": COUNT, "say": lambda line: None, **options})  # type: ignore[arg-type]


def test_real_digits_are_perfect() -> None:
    report = World().measure()
    for part in report.drawings:
        assert part.count == COUNT and part.accuracy == 1 and part.accuracy_by_digit == [1] * 10
        assert part.accuracy_interval == wilson_interval(COUNT, COUNT)
        assert part.frechet == pytest.approx(0, abs=1e-9) and part.frechet_floor == pytest.approx(9)
        assert (part.precision, part.recall) == (1, 1) and part.diversity == pytest.approx(1)
    assert [part.prompts for part in report.drawings] == ["digit, thickness and slant", "digit alone"]
    assert report.judge_accuracy == 1
    assert report.vae_psnr == pytest.approx(48.1308, abs=1e-4) and report.vae_accuracy == 1  # all off by one grey level
    assert (report.clip_zero_shot, report.clip_thickness, report.clip_slant) == (1, 1, 1)


def test_the_distance_is_that_of_shifted_gaussians() -> None:
    report = World(shift=2.0, moved=5.0).measure()
    for part in report.drawings:
        assert part.frechet == pytest.approx(25) and part.frechet_floor == pytest.approx(4)


def test_one_picture_a_digit_is_accurate_and_covers_nothing() -> None:
    """Every digit drawn as its first real one: all balls around drawings have radius 0."""
    report = World(chosen=lambda numbers: [number % 10 for number in numbers]).measure()
    for part in report.drawings:
        assert part.accuracy == 1 and part.precision == 1
        assert part.recall == pytest.approx(10 / COUNT) and part.diversity == pytest.approx(0, abs=1e-20)
        assert part.frechet > 0.5


def test_digits_that_are_drawn_wrong_are_counted_where_they_belong() -> None:
    """Every 3 comes out as an 8, and every second 5 as a 6."""

    def wrong(numbers: list[int]) -> list[int]:
        return [n + 5 if n % 10 == 3 else n + 1 if n % 20 == 5 else n for n in numbers]

    report = World(chosen=wrong).measure()
    for part in report.drawings:
        assert part.accuracy_by_digit == [1, 1, 1, 0, 1, 0.5, 1, 1, 1, 1]
        assert part.accuracy == pytest.approx(0.85) and part.accuracy_interval == wilson_interval(170, 200)


def test_the_judge_is_measured_by_itself_and_on_reconstructions() -> None:
    report = World(seen=lambda digit: 1 if digit in (1, 7) else digit).measure()
    assert report.judge_accuracy == pytest.approx(0.9) and report.vae_accuracy == pytest.approx(0.9)
    assert report.drawings[0].accuracy_by_digit[7] == 0


def test_each_figure_is_of_its_own_pictures() -> None:
    world = World(train=DigitSet(pictures(1000), LABELS[::-1].copy(), attributes(3)))  # labelled wrong, all of it
    assert world.measure().judge_accuracy == 1
    world.decode = lambda z: np.asarray(z)[::-1]  # type: ignore[method-assign]  # 9 for 0, 8 for 1, ...
    report = world.measure()
    assert report.judge_accuracy == 1 and report.vae_accuracy == 0 and report.vae_psnr < 48


def test_drawings_far_away_are_not_precise() -> None:
    part = World(moved=1000.0).measure().drawings[0]
    assert (part.precision, part.recall) == (0, 0) and part.accuracy == 1


def test_the_nearest_caption_may_be_a_wrong_one() -> None:
    world = World()
    right = world.vectors

    def confused(said: list[Caption]) -> NDArray[np.float64]:
        out = right(said)
        if all(caption.thickness is not None and caption.slant is not None for caption in said):  # pictures
            for row, caption in zip(out, said, strict=True):
                if caption.digit == 3:
                    row[[3, 8]] = 0, 1
                if caption.digit == 4 and caption.thickness == 0:
                    row[[22, 24]] = 0, 1
                if caption.slant == 2:
                    row[[42 + 3 * caption.digit, 40 + 3 * caption.digit]] = 0, 1
        return out

    world.vectors = confused  # type: ignore[method-assign]
    report = world.measure()
    thin_fours = float(((LABELS == 4) & (world.test.thickness_bin == 0)).mean())
    leaning_right = float((world.test.slant_bin == 2).mean())
    assert 0 < thin_fours < 0.1 and 0.2 < leaning_right < 0.5
    assert report.clip_zero_shot == pytest.approx(0.9)
    assert report.clip_thickness == pytest.approx(1 - thin_fours)
    assert report.clip_slant == pytest.approx(1 - leaning_right)


def test_what_is_asked_for() -> None:
    world = World()
    world.measure(seed=7, guidance=2.5, steps=3, sampler="ddpm")
    (detailed, options), (plain, same) = world.asked
    assert options == same == {"seed": 7, "guidance": 2.5, "steps": 3, "sampler": "ddpm"}
    for captions in (detailed, plain):
        assert [parse_caption(text).digit for text in captions] == LABELS.tolist()
    said = [parse_caption(text) for text in detailed]
    pairs = sorted(zip(LABELS, world.test.thickness_bin, world.test.slant_bin, strict=True))
    assert sorted((c.digit, c.thickness, c.slant) for c in said) == pairs  # of the real digits, all of them
    assert {(parse_caption(text).thickness, parse_caption(text).slant) for text in plain} == {(None, None)}


def test_drawings_are_compared_with_the_digits_that_were_asked_for() -> None:
    world = World(moved=1.0)
    report = world.measure(count=100)
    real, others, *_ = world.looked_at
    assert len(set(real)) == len(set(others)) == 100  # none twice
    assert (real % 10 == others % 10).all() and (real < 1000).all() and (others >= 1000).all()
    assert report.drawings[0].frechet_floor == pytest.approx(
        frechet_distance(world.features_of(real), world.features_of(others))
    )
    for part, drawn in zip(report.drawings, (world.draw(captions) for captions, _ in world.asked[:2]), strict=True):
        ours, theirs = world.features(drawn), world.features_of(real)
        assert part.frechet == pytest.approx(frechet_distance(ours, theirs))
        assert (part.precision, part.recall) == precision_and_recall(theirs, ours)
        labels = np.arange(100) % 10
        assert part.diversity == pytest.approx(diversity_ratio(theirs, ours, labels, labels))


def test_a_curve_measures_every_guidance_as_if_it_were_the_only_one() -> None:
    world = World(moved=1.0)
    curve = guidance_curve(world, world, world.train, world.test, [0, 4], count=100, seed=3, say=str, steps=5)  # type: ignore[arg-type]
    assert [options for _, options in world.asked] == [
        {"seed": 3, "guidance": guidance, "steps": 5} for guidance in (0, 0, 4, 4)
    ]
    assert curve.guidance == [0, 4] and curve.drawings == [world.measure(count=100, seed=3).drawings] * 2


def test_a_curve_says_what_real_digits_would_have() -> None:
    world = World()
    curve = guidance_curve(world, world, world.train, world.test, [1], count=100, say=str)  # type: ignore[arg-type]
    real, others, *_ = world.looked_at
    features, labels = (world.features_of(real), world.features_of(others)), np.arange(100) % 10
    assert curve.real.accuracy == 1 and (curve.real.precision, curve.real.recall) == precision_and_recall(*features)
    assert curve.real.frechet == curve.drawings[0][0].frechet_floor == pytest.approx(frechet_distance(*features))
    assert curve.real.diversity == pytest.approx(diversity_ratio(*features, labels, labels))
    strangers = World(seen=lambda digit: 3)
    curve = guidance_curve(strangers, strangers, world.train, world.test, [1], count=100, say=str)  # type: ignore[arg-type]
    assert curve.real.accuracy == pytest.approx(0.1)


def test_seeds_choose_other_digits() -> None:
    def captions(seed: int) -> list[str]:
        world = World()
        world.measure(seed=seed, count=100)
        return world.asked[0][0]

    assert captions(0) == captions(0) != captions(1)


def test_attributes_are_measured_in_the_drawings() -> None:
    """Digits drawn by code, so that attributes are those of pixels: half of them as asked, half not."""
    test = draw_strokes(600, 1)
    world = World(test=DigitSet(test.images, test.labels), train=DigitSet(test.images, test.labels))
    thick, lean = world.test.thickness_bin, world.test.slant_bin

    class Drawer:
        device = "cpu"
        half: bool = False

        def draw(self, captions: list[str], **options: Any) -> Array:
            found = []
            for i, caption in enumerate(map(parse_caption, captions)):
                other = self.half and i % 2 and caption.thickness is not None
                fits = test.labels == caption.digit
                if caption.thickness is not None:
                    fits &= (thick != caption.thickness) if other else (thick == caption.thickness)
                    fits &= (lean != caption.slant) if other else (lean == caption.slant)
                found.append(int(np.flatnonzero(fits)[0]))
            return test.images[found]

        encode = decode = staticmethod(lambda z: z)
        clip = SimpleNamespace(image=lambda x: Tensor(np.zeros((len(x.data), 2))))
        encode_prompts = staticmethod(lambda captions: SimpleNamespace(pooled=np.ones((len(captions), 2))))

    flat = SimpleNamespace(
        digits=lambda images: np.zeros(len(images), int),
        features=lambda images: np.random.default_rng(0).standard_normal((len(images), 3)),
    )

    def measured(half: bool) -> Any:
        drawer = Drawer()
        drawer.half = half
        found = evaluate(drawer, flat, world.train, world.test, count=100, say=lambda line: None)  # type: ignore[arg-type]
        return found.drawings

    detailed, plain = measured(half=False)
    assert (detailed.thickness_as_asked, detailed.slant_as_asked) == (1, 1)
    assert (plain.thickness_as_asked, plain.slant_as_asked) == (None, None)
    of_each = [lean[test.labels == digit] for digit in range(10)]
    same = [np.mean([one == other for one in leans for other in leans]) for leans in of_each]
    assert detailed.slant_by_chance == pytest.approx(np.mean(same)) and 0.3 < detailed.slant_by_chance < 0.5
    assert detailed.thickness_by_chance == pytest.approx(1 / 3, abs=0.03) and plain.slant_by_chance is None
    detailed, _ = measured(half=True)
    assert (detailed.thickness_as_asked, detailed.slant_as_asked) == (0.5, 0.5)


@pytest.mark.parametrize("count", [0, 90, 105, COUNT + 10])
def test_counts_that_cannot_be_balanced(count: int) -> None:
    world = World()
    with pytest.raises(ValueError, match=rf"a multiple of 10 from 100 to {COUNT} drawings .*, got {count}"):
        check_count(count, world.train, world.test)
    few = DigitSet(world.test.images[:150], world.test.labels[:150])
    for sets in ((world.train, few), (few, world.test)):
        check_count(150, *sets)
        with pytest.raises(ValueError, match="from 100 to 150"):
            check_count(160, *sets)


# The judge that comes with minisd


def test_the_judge_knows_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    digits = draw_strokes(60, 3)
    with use_backend("numpy"):
        judge = Judge.load()
        assert (judge.digits(digits.images) == digits.labels).mean() > 0.95
        features = judge.features(digits.images)
        assert features.shape == (60, 64)
        logits, whole = judge._look(digits.images, batch=60)
        in_parts = judge._look(digits.images, batch=25)
        np.testing.assert_allclose(in_parts[0], logits, atol=1e-4)
        np.testing.assert_allclose(in_parts[1], whole, atol=1e-4)
        np.testing.assert_allclose(features, whole, atol=1e-4)


def test_a_judge_is_kept_with_its_digest(tmp_path: Path) -> None:
    judge = Judge.load()
    judge.save(str(tmp_path))
    again = Judge.load(str(tmp_path))
    for name, array in judge.classifier.state_dict().items():
        np.testing.assert_array_equal(again.classifier.state_dict()[name], array)
    path = tmp_path / "judge.safetensors"
    assert path.read_bytes() == (shipped_model() / "judge.safetensors").read_bytes()
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(CheckpointError, match=r"judge\.safetensors: damaged: its SHA-256"):
        Judge.load(tmp_path)
    (tmp_path / "judge.json").unlink()  # as older judges are
    Judge.load(tmp_path)
    for strange in ({}, {"sha256": {}}, {"sha256": {"judge.safetensors": 7}}, []):
        checkpoint.save_json(tmp_path / "judge.json", strange)
        with pytest.raises(CheckpointError, match=r"judge\.json: wanted the SHA-256 of judge\.safetensors"):
            Judge.load(tmp_path)
