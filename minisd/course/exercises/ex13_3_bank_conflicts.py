"""Bank conflicts

Shared memory has 32 banks. The word number k (of 4 bytes) lies in bank k mod 32, and a bank gives one word in a round.
Thread t of a warp reads the word `words[t]`. How many rounds does it take until all have theirs?

Threads that read the very same word get it in the same round: a bank gives its word to all who ask for it.
A negative number stands for a thread that does not take part; if none does, it takes 0 rounds.
"""

import numpy as np

POINTS, MINUTES = 2, 15
HINTS = (
    "The banks work side by side. So who decides how many rounds it takes?",
    "The bank with the most different words. Threads that want the same word count once.",
    "np.unique(words) first, then count the words of each bank, and take the largest count.",
)


def rounds(words):
    """How many rounds the reads take, a whole number; words is an array of whole numbers."""
    different = np.unique(words[words >= 0])
    return int(np.bincount(different % 32, minlength=1).max())


def cases(rng, dtype):
    threads = np.arange(32)
    yield (threads,)
    yield (32 * threads,)
    yield (33 * threads,)
    yield (2 * threads + 1,)
    yield (np.full(32, 7),)
    yield (np.where(threads < 16, 5, 37),)
    yield (np.where(threads < 8, 32 * threads + 31, -1),)
    yield (np.full(32, -1),)
    yield (np.where(threads % 4 == 0, 8 * threads, -1),)
    for most in (64, 320, 2000):
        yield (np.where(rng.random(32) < 0.9, rng.integers(0, most, 32), -1),)


def mistake_same_word_again(words):
    """Threads that read the same word get it in one round: count different words only."""
    return int(np.bincount(words[words >= 0] % 32, minlength=1).max())


def mistake_sum_of_conflicts(words):
    """The banks work side by side: the fullest one decides, the others' extra rounds are not added."""
    counts = np.bincount(np.unique(words[words >= 0]) % 32, minlength=1)
    return int(1 + (counts[counts > 1] - 1).sum()) if counts.any() else 0


def mistake_counts_banks(words):
    """That is how many banks are met. The rounds are how many words the fullest of them must give."""
    return len(set((words[words >= 0] % 32).tolist()))


def mistake_all_take_part(words):
    """Threads with a negative number do not take part."""
    return int(np.bincount(np.unique(words) % 32).max())


def mistake_at_least_one(words):
    """If no thread takes part there is nothing to do: 0 rounds."""
    return max(1, rounds(words))


def mistake_division(words):
    """The bank of word k is k mod 32, what remains: you divide, so neighbours meet in one bank."""
    different = np.unique(words[words >= 0])
    return int(np.bincount(different // 32, minlength=1).max())


def mistake_bytes(words):
    """The numbers count words already: they are no addresses to be divided by 4."""
    different = np.unique(words[words >= 0])
    return int(np.bincount(different // 4 % 32, minlength=1).max())


def mistake_average(words):
    """Rounds are not shared out evenly: the fullest bank decides."""
    different = np.unique(words[words >= 0])
    banks = np.unique(different % 32)
    return -(-len(different) // max(1, len(banks)))


def right_sets(words):
    banks: list[set[int]] = [set() for _ in range(32)]
    for word in words:
        if word >= 0:
            banks[word % 32].add(int(word))
    return max(len(bank) for bank in banks)


def right_round_by_round(wanted):
    waiting, count = {int(word) for word in wanted if word >= 0}, 0
    while waiting:
        served: dict[int, int] = {}
        for word in sorted(waiting):
            served.setdefault(word % 32, word)
        waiting -= set(served.values())
        count += 1
    return count
