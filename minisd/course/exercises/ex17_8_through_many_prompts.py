"""Through many prompts

A film that leads from "a one" through "a two" to "a three": what the network is told moves on straight lines from one
prompt's vectors to the next one's. Given the contexts of K prompts, an array (K, M, D) with K of 2 or more, return
those of N pictures (N of 2 or more), evenly spaced along the way: the first stands at the first prompt, the last at the
last, and each of the K - 1 stretches is as long as the others. With K = 3 and N = 5 the middle one stands at the second
prompt, and the second one halfway to it.
"""

import numpy as np

from minisd.diffusion.interpolation import lerp, slerp

POINTS, MINUTES = 2, 20
HINTS = (
    "Number the prompts 0 to K - 1. At which number does picture i of N stand? It may have a fraction.",
    "The whole part says between which two it stands, the fraction how far along. Where is the last one?",
    "place = np.linspace(0, K - 1, N); low = np.minimum(place.astype(int), K - 2); share = place - low.",
)


def way(contexts, count):
    """The contexts of `count` pictures, (count, M, D)."""
    place = np.linspace(0, len(contexts) - 1, count)
    low = np.minimum(place.astype(int), len(contexts) - 2)
    return lerp(contexts[low], contexts[low + 1], place - low)


def cases(rng, dtype):
    for K, count in ((2, 2), (2, 5), (3, 5), (3, 4), (4, 3), (5, 12), (4, 4), (3, 2)):
        yield rng.standard_normal((K, 2, 3)).astype(dtype), count
    yield rng.standard_normal((6, 3, 2)).astype(dtype), int(rng.integers(14, 30))


def _on_the_way(contexts, place, mix=lerp):
    low = np.minimum(place.astype(int), len(contexts) - 2)
    return mix(contexts[low], contexts[low + 1], place - low)


def mistake_end_not_reached(contexts, count):
    """The last picture stands at the last prompt: yours stops a step before it."""
    return _on_the_way(contexts, np.linspace(0, len(contexts) - 1, count, endpoint=False))


def mistake_start_left_out(contexts, count):
    """The first picture stands at the first prompt: yours is a step on already."""
    return _on_the_way(contexts, (len(contexts) - 1) * np.arange(1, count + 1) / count)


def mistake_first_to_last(contexts, count):
    """The prompts between lie on the way: you go straight from the first to the last."""
    return _on_the_way(contexts[[0, -1]], np.linspace(0, 1, count))


def mistake_nearest(contexts, count):
    """Between two prompts the vectors are mixed: you take the nearer one's."""
    return contexts[np.rint(np.linspace(0, len(contexts) - 1, count)).astype(int)]


def mistake_exchanged(contexts, count):
    """The share says how far along: 0 is the prompt behind, 1 the one ahead. Yours are exchanged."""
    return _on_the_way(contexts, np.linspace(0, len(contexts) - 1, count), lambda a, b, share: lerp(b, a, share))


def mistake_share_of_the_whole(contexts, count):
    """The share begins anew with each stretch: yours is the share of the whole way."""
    place = np.linspace(0, len(contexts) - 1, count)
    low = np.minimum(place.astype(int), len(contexts) - 2)
    return lerp(contexts[low], contexts[low + 1], np.linspace(0, 1, count))


def mistake_sphere(contexts, count):
    """The sphere is for noise: what the text encoder says of a prompt is mixed on the straight line."""
    return _on_the_way(contexts, np.linspace(0, len(contexts) - 1, count), slerp)


def mistake_backwards(contexts, count):
    """The film begins with the first prompt: yours begins with the last."""
    return _on_the_way(contexts, np.linspace(len(contexts) - 1, 0, count))


def mistake_softened(contexts, count):
    """The pictures are evenly spaced: yours go slowly near each prompt and fast between."""
    place = np.linspace(0, len(contexts) - 1, count)
    part = place - place.astype(int)
    return _on_the_way(contexts, place.astype(int) + part * part * (3 - 2 * part))


def right_loop(contexts, count):
    K, result = len(contexts), []
    for i in range(count):
        place = i * (K - 1) / (count - 1)
        before = int(place) if i < count - 1 else K - 2
        share = place - before
        result.append((1 - share) * contexts[before] + share * contexts[before + 1])
    return np.stack(result)


def right_interp(contexts, count):
    K = len(contexts)
    columns = contexts.reshape(K, -1).T
    places = np.linspace(0, K - 1, count)
    mixed = [np.interp(places, np.arange(K), column) for column in columns]
    return np.stack(mixed, axis=1).reshape(count, *contexts.shape[1:])
