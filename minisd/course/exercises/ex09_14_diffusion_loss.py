"""The loss of one batch

Now put together what a training step does with its pictures x_0, their times t and the noise that was drawn (Ho et al.
2020, algorithm 1): mix, ask the model, compare. The model is a function of (x_t, t) and gives an array shaped as x_t.
What it is asked for is told by `prediction`:

- "noise": the noise itself;
- "v": $v = \\sqrt{\\bar\\alpha_t}\\, \\varepsilon - \\sqrt{1 - \\bar\\alpha_t}\\, x_0$.

The loss is the mean of the squared differences. x_0 and noise have the shape (B, H, W, C), t has (B,), alpha_bar (T,).
You may build on your own answers to 09.3 and 09.9.
"""

import numpy as np

from minisd.course import mine

POINTS, MINUTES = 3, 20
GIVEN = ("np", "mine", "add_noise", "mean_squared_error")
HINTS = (
    "Four lines: mix, ask, choose the target, compare.",
    "The model sees x_t and t, and nothing of x_0 or the noise.",
    "mean_squared_error of 09.9 gives a pair: the loss, and its gradient.",
)

add_noise = mine("09.3")
mean_squared_error = mine("09.9")


def diffusion_loss(model, x_0, noise, t, alpha_bar, prediction="noise"):
    """The mean squared error of the model's prediction, a number."""
    x_t = add_noise(x_0, noise, alpha_bar, t)
    a = alpha_bar[t].reshape(-1, 1, 1, 1)
    target = noise if prediction == "noise" else np.sqrt(a) * noise - np.sqrt(1 - a) * x_0
    return mean_squared_error(model(x_t, t), target)[0]


def cases(rng, dtype):
    for B, H, W, C, prediction in (
        (2, 3, 4, 1, "noise"),
        (3, 2, 2, 3, "v"),
        (1, 2, 5, 2, "noise"),
        (4, 4, 4, 4, "v"),
        (3, 3, 3, 3, "noise"),
    ):
        x_0, noise = (rng.standard_normal((B, H, W, C)).astype(dtype) for _ in range(2))
        alpha_bar = np.sort(rng.uniform(0.02, 0.98, 9))[::-1].astype(dtype)
        yield x_0, noise, rng.permutation(9)[:B], alpha_bar, prediction


def probe(diffusion_loss, x_0, noise, t, alpha_bar, prediction):
    asked = []

    def model(x_t, times):
        asked.append((np.array(x_t), np.array(times)))
        return np.tanh(x_t) + 0.1 * np.reshape(times, (-1, 1, 1, 1)).astype(x_0.dtype)

    loss = diffusion_loss(model, x_0, noise, t, alpha_bar, prediction)
    return {"loss": loss, "the model was asked": asked}


def _loss(model, x_0, noise, t, alpha_bar, target):
    a = alpha_bar[t].reshape(-1, 1, 1, 1)
    return np.mean((model(np.sqrt(a) * x_0 + np.sqrt(1 - a) * noise, t) - target(np.sqrt(a), np.sqrt(1 - a))) ** 2)


def mistake_picture_as_target(model, x_0, noise, t, alpha_bar, prediction="noise"):
    """The model is asked for the noise or for v, not for the picture."""
    return _loss(model, x_0, noise, t, alpha_bar, lambda alpha, sigma: x_0)


def mistake_always_noise(model, x_0, noise, t, alpha_bar, prediction="noise"):
    """With prediction "v" the target is v, not the noise."""
    return _loss(model, x_0, noise, t, alpha_bar, lambda alpha, sigma: noise)


def mistake_v_turned(model, x_0, noise, t, alpha_bar, prediction="noise"):
    """The two factors of v are exchanged: the noise's is sqrt(alpha_bar)."""
    if prediction == "noise":
        return _loss(model, x_0, noise, t, alpha_bar, lambda alpha, sigma: noise)
    return _loss(model, x_0, noise, t, alpha_bar, lambda alpha, sigma: sigma * noise - alpha * x_0)


def mistake_v_sign(model, x_0, noise, t, alpha_bar, prediction="noise"):
    """v has a minus before x_0."""
    if prediction == "noise":
        return _loss(model, x_0, noise, t, alpha_bar, lambda alpha, sigma: noise)
    return _loss(model, x_0, noise, t, alpha_bar, lambda alpha, sigma: alpha * noise + sigma * x_0)


def mistake_sum(model, x_0, noise, t, alpha_bar, prediction="noise"):
    """The loss is the mean over all numbers, not their sum."""
    target = (lambda alpha, sigma: noise) if prediction == "noise" else lambda alpha, sigma: alpha * noise - sigma * x_0
    return x_0.size * _loss(model, x_0, noise, t, alpha_bar, target)


def mistake_clean_picture(model, x_0, noise, t, alpha_bar, prediction="noise"):
    """The model sees the noised picture x_t; you show it the clean one."""
    a = alpha_bar[t].reshape(-1, 1, 1, 1)
    target = noise if prediction == "noise" else np.sqrt(a) * noise - np.sqrt(1 - a) * x_0
    return np.mean((model(x_0, t) - target) ** 2)


def mistake_one_t(model, x_0, noise, t, alpha_bar, prediction="noise"):
    """Every picture of the batch has a t of its own."""
    t = np.full_like(t, t[0])
    target = (lambda alpha, sigma: noise) if prediction == "noise" else lambda alpha, sigma: alpha * noise - sigma * x_0
    return _loss(model, x_0, noise, t, alpha_bar, target)


def right_by_hand(model, x_0, noise, t, alpha_bar, prediction="noise"):
    alpha = np.sqrt(alpha_bar[t])[:, None, None, None]
    sigma = np.sqrt(1 - alpha_bar[t])[:, None, None, None]
    off = model(alpha * x_0 + sigma * noise, t)
    off -= alpha * noise - sigma * x_0 if prediction == "v" else noise
    return (off * off).sum() / off.size


def right_einsum(model, pictures, e, t, alpha_bar, prediction="noise"):
    kept, added = alpha_bar[t] ** 0.5, (1 - alpha_bar[t]) ** 0.5
    mixed = np.einsum("b,bhwc->bhwc", kept, pictures) + np.einsum("b,bhwc->bhwc", added, e)
    wanted = {
        "noise": e,
        "v": np.einsum("b,bhwc->bhwc", kept, e) - np.einsum("b,bhwc->bhwc", added, pictures),
    }[prediction]
    return np.square(model(mixed, t) - wanted).mean()
