"""The chain

`networks` is a list of functions: network(hint, s) takes pictures of shape (N, H, W) and returns pictures of shape
(N, 2H, 2W), as good as it can. s is how much noise the hint carries, as a time of the schedule, and the same for all of
them. Write what drives them:

- the first network is shown the small pictures, each other one the pictures of the network before;
- what a network is shown gets noise first: `noises[k]` is N(0, 1), as large as what the k-th network is shown;
- what a network returns is cut off at -1 and 1, where pictures end.

Return the pictures of every size, the small ones first: a list. With no network it holds the small ones alone.
"""

import numpy as np

from minisd.diffusion.schedule import NoiseSchedule

POINTS, MINUTES = 3, 30
HINTS = (
    "One loop over the networks, and one variable that holds the pictures as they are by now.",
    "The noise is for the network's eyes: the pictures in the list have none.",
    "hint = sqrt(alpha_bar[s]) x + sqrt(1 - alpha_bar[s]) noises[k]; x = network(hint, s).clip(-1, 1); keep x.",
)


def chain(small, networks, noises, alpha_bar, s):
    """The pictures of every size, a list of len(networks) + 1 arrays."""
    schedule = NoiseSchedule.of_betas(1 - alpha_bar / np.concatenate([np.ones(1), alpha_bar[:-1]]))
    pictures = [small]
    for network, noise in zip(networks, noises, strict=True):
        pictures.append(network(schedule.add_noise(pictures[-1], noise, s), s).clip(-1, 1))
    return pictures


def probe(chain, small, gains, noises, alpha_bar, s):
    def network(gain):
        def doubled(hint, s):
            calls.append((hint.shape, int(s)))
            return gain * np.repeat(np.repeat(hint, 2, axis=1), 2, axis=2) + s / 40

        return doubled

    calls: list[object] = []
    pictures = chain(small, [network(gain) for gain in gains], noises, alpha_bar, s)
    return {"pictures": [*pictures], "calls": calls}


def cases(rng, dtype):
    alpha_bar = np.sort(rng.uniform(0.1, 0.98, 12))[::-1].astype(dtype)
    for gains, N, H, W, s in (
        ([0.9, 1.6], 2, 3, 4, 5),
        ([1.3, 0.7, -1.1], 1, 2, 3, 9),
        ([1.4], 3, 2, 2, 1),
        ([0.6, 1.7], 2, 4, 3, 11),
        ([], 2, 3, 3, 4),
    ):
        small = rng.uniform(-1, 1, (N, H, W)).astype(dtype)
        noises = [rng.standard_normal((N, H * 2**k, W * 2**k)).astype(dtype) for k in range(len(gains))]
        yield small, gains, noises, alpha_bar, s


def _chain(small, networks, noises, alpha_bar, s, shown=None, kept=lambda x: x.clip(-1, 1), pick=None):
    """The loop with its places to go wrong: what a network is shown, what is kept of it, which network it is."""
    shown = shown or (lambda x, noise, k: np.sqrt(alpha_bar[s]) * x + np.sqrt(1 - alpha_bar[s]) * noise)
    pictures = [small]
    for k, noise in enumerate(noises):
        pictures.append(kept(networks[pick(k) if pick else k](shown(pictures[-1], noise, k), s)))
    return pictures


def mistake_clean_hints(small, networks, noises, alpha_bar, s):
    """What a network is shown gets noise first: it was trained so, and is told s."""
    return _chain(small, networks, noises, alpha_bar, s, shown=lambda x, noise, k: x)


def mistake_noise_for_the_first_alone(small, networks, noises, alpha_bar, s):
    """Every network is shown noised pictures, not the first one alone: the ones in between have faults, too."""
    a, b = np.sqrt(alpha_bar[s]), np.sqrt(1 - alpha_bar[s])
    return _chain(small, networks, noises, alpha_bar, s, shown=lambda x, noise, k: x if k else a * x + b * noise)


def mistake_no_cut(small, networks, noises, alpha_bar, s):
    """What a network returns is cut off at -1 and 1."""
    return _chain(small, networks, noises, alpha_bar, s, kept=lambda x: x)


def mistake_cut_at_the_end(small, networks, noises, alpha_bar, s):
    """Every network's pictures are cut off before the next one sees them, not the last ones alone."""
    pictures = _chain(small, networks, noises, alpha_bar, s, kept=lambda x: x)
    return [*pictures[:-1], pictures[-1].clip(-1, 1)]


def mistake_first_network_for_all(small, networks, noises, alpha_bar, s):
    """Each size has its own place in the list: you call the first network every time."""
    return _chain(small, networks, noises, alpha_bar, s, pick=lambda k: 0)


def mistake_backwards(small, networks, noises, alpha_bar, s):
    """The networks come in the order of the list."""
    return _chain(small, networks, noises, alpha_bar, s, pick=lambda k: len(networks) - 1 - k)


def mistake_last_alone(small, networks, noises, alpha_bar, s):
    """The pictures of every size are wanted, a list: you return the last ones alone."""
    return _chain(small, networks, noises, alpha_bar, s)[-1:]


def mistake_without_the_small(small, networks, noises, alpha_bar, s):
    """The small pictures come first in the list."""
    return _chain(small, networks, noises, alpha_bar, s)[1:]


def mistake_hints_kept(small, networks, noises, alpha_bar, s):
    """The noise is for the network alone: the pictures of the list have none."""
    seen = []

    def shown(x, noise, k):
        seen.append(np.sqrt(alpha_bar[s]) * x + np.sqrt(1 - alpha_bar[s]) * noise)
        return seen[-1]

    pictures = _chain(small, networks, noises, alpha_bar, s, shown=shown)
    return [*seen, pictures[-1]]


def mistake_no_roots(small, networks, noises, alpha_bar, s):
    """The factors are square roots of alpha_bar and of 1 - alpha_bar."""
    a = alpha_bar[s]
    return _chain(small, networks, noises, alpha_bar, s, shown=lambda x, noise, k: a * x + (1 - a) * noise)


def mistake_noise_added(small, networks, noises, alpha_bar, s):
    """The picture becomes fainter as noise comes: it is multiplied by sqrt(alpha_bar)."""
    b = np.sqrt(1 - alpha_bar[s])
    return _chain(small, networks, noises, alpha_bar, s, shown=lambda x, noise, k: x + b * noise)


def mistake_all_from_the_small(small, networks, noises, alpha_bar, s):
    """A network is shown what the one before has drawn, not the small picture enlarged."""
    a, b = np.sqrt(alpha_bar[s]), np.sqrt(1 - alpha_bar[s])

    def shown(x, noise, k):
        return a * np.repeat(np.repeat(small, 2**k, axis=1), 2**k, axis=2) + b * noise

    return _chain(small, networks, noises, alpha_bar, s, shown=shown)


def mistake_noise_of_half_the_time(small, networks, noises, alpha_bar, s):
    """A network is told the same s that its hint was noised with: you noise with another one."""
    a = alpha_bar[s // 2]
    shown = lambda x, noise, k: np.sqrt(a) * x + np.sqrt(1 - a) * noise  # noqa: E731
    return _chain(small, networks, noises, alpha_bar, s, shown=shown)


def right_recursive(small, networks, noises, alpha_bar, s):
    if not networks:
        return [small]
    hint = alpha_bar[s] ** 0.5 * small + (1 - alpha_bar[s]) ** 0.5 * noises[0]
    drawn = np.minimum(1, np.maximum(-1, networks[0](hint, s)))
    return [small, *right_recursive(drawn, networks[1:], noises[1:], alpha_bar, s)]


def right_by_index(small, networks, noises, alpha_bar, s):
    found, x = [small.copy()], small
    for k in range(len(networks)):
        x = np.sqrt(alpha_bar[s]) * x + np.sqrt(1 - alpha_bar[s]) * noises[k]
        x = np.clip(networks[k](x, s), -1, 1)
        found.append(x)
    return found
