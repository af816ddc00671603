"""Coloured digits: the colours are those that are said, and what is held out is never shown."""

import numpy as np
import pytest

from minisd.data import colours
from minisd.data.colours import NAMES, PALETTE, ColourSet, colour_phrases, combinations, draw_colours, is_held_out
from minisd.data.strokes import draw_strokes


def test_a_picture_depends_on_the_seed_and_its_place_alone():
    few, many = draw_colours(2, 5), draw_colours(4, 5)
    for name in ("images", "digits", "inks", "grounds"):
        np.testing.assert_array_equal(getattr(few, name), getattr(many, name)[:2])
    assert (draw_colours(2, 6).images != few.images).any()


def test_a_pixel_is_mixed_of_ground_and_ink_as_far_as_the_pen_covers_it():
    drawn, strokes = draw_colours(20, 0), draw_strokes(20, 0)
    np.testing.assert_array_equal(drawn.digits, strokes.labels)
    for i in range(20):
        ink, ground = (np.array(PALETTE[NAMES[of[i]]]) for of in (drawn.inks, drawn.grounds))
        alpha = np.pad(strokes.images[i], 2)[..., None] / 255
        assert np.abs(drawn.images[i] - (ground + alpha * (ink - ground))).max() <= 10.5
        assert drawn.images[i].shape == (32, 32, 3) and drawn.inks[i] != drawn.grounds[i]


def test_what_is_held_out_is_one_digit_of_each_two_colours():
    shown, hidden = combinations(held_out=False), combinations(held_out=True)
    assert len({*shown} | {*hidden}) == 10 * 8 * 7 and {one[1:] for one in hidden} == {one[1:] for one in shown}
    assert len({one[1:] for one in hidden}) == len(hidden) == 56
    for a, b in ((0, 1), (0, 2), (1, 2)):  # but of each combination every two parts are shown together
        assert {(one[a], one[b]) for one in hidden} <= {(one[a], one[b]) for one in shown}


@pytest.mark.parametrize("held_out", [False, True])
def test_training_sees_what_is_shown_alone(held_out):
    drawn = draw_colours(40, 0, held_out=held_out)
    assert (is_held_out(drawn.digits, drawn.inks, drawn.grounds) == held_out).all()


def test_captions_say_what_is_to_be_seen_and_leave_out_what_they_like():
    red, blue, of_7 = NAMES.index("red"), NAMES.index("blue"), np.array([7] * 300)
    seen = ColourSet(np.zeros((300, 32, 32, 3), np.uint8), of_7, np.full(300, red), np.full(300, blue))
    told = seen.captions(np.arange(300), np.random.default_rng(0))
    assert {"a red seven on blue", "a 7 in red on a blue ground", "a seven on blue", "a red 7", "a seven"} <= {*told}
    words = {word for text in told for word in text.split()}
    assert words == {"a", "red", "seven", "7", "on", "blue", "in", "ground"}
    assert 200 < sum("red" in text for text in told) < 290 and 200 < sum("blue" in text for text in told) < 290
    assert {*told} <= {*seen.all_captions()}


def test_captions_of_what_is_held_out_are_in_no_list_of_training():
    captions = draw_colours(3, 0).all_captions()
    assert "a red seven on blue" not in captions and {"a red seven", "a seven on blue", "a red six on blue"} <= {
        *captions
    }
    assert len(captions) == len({*captions}) and {*draw_colours(1, 0).example_captions()} <= {*captions}
    assert "a red seven on blue" in draw_colours(1, 0, held_out=True).all_captions()


def test_articles():
    orange = NAMES.index("orange")
    assert colour_phrases(1)[0] == "a one" and colour_phrases(8)[::1] == ("an eight", "an 8")
    assert colour_phrases(1, orange, orange)[:2] == ("an orange one on orange", "an orange one on an orange ground")


def test_the_data_set(monkeypatch):
    asked = []
    monkeypatch.setattr(colours, "draw_colours", lambda *a, **k: asked.append((a, k)))
    for split in ("train", "test"):
        colours.COLOURS.load(split, None)
    assert asked == [((20_000, 0), {}), ((2_000, 1), {"held_out": None})]
