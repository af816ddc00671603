# %% [markdown]
# # 21. Few steps
#
# Chapter 16 brought a drawing from a thousand steps down to ten, with the same network. Can it be one? Not with the
# same network, as we shall see, however good the solver. But a second network can learn from the first where its ways
# end, and then jump there: that is **distillation**, with the first as teacher and the second as student.
#
# You need chapters 9, 10 and 16 (noise, drawing, solvers); 19 (flow matching) helps. It takes about 30 seconds.

# %%
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure

from minisd import ops
from minisd.autograd import Tensor, no_grad
from minisd.course import mine, show, show_rows, source
from minisd.diffusion.comparison import walk
from minisd.diffusion.consistency import leading_to, multistep
from minisd.diffusion.guidance import guided
from minisd.diffusion.samplers import SAMPLERS
from minisd.diffusion.schedule import NoiseLevel, make_schedule
from minisd.diffusion.spacing import make_levels
from minisd.diffusion.toy import CLOUDS, Clouds
from minisd.nn import Linear, Module
from minisd.optim import EMA, AdamW, warmup_cosine
from minisd.pipeline import Pipeline
from minisd.train.few import FewTask

rng = np.random.default_rng(0)
schedule = make_schedule("cosine")


def draw_data(count, clouds):
    """Points of some clouds, (count, D)."""
    which = rng.choice(len(clouds.means), size=count, p=clouds.weights)
    return clouds.means[which] + clouds.deviation * rng.standard_normal((count, clouds.means.shape[1]))


def show_crowd(panel, points, title):
    panel.scatter(*CROWD[:500].T, s=3, color="0.8", linewidths=0)
    panel.scatter(*points[:500].T, s=3, color="tab:blue", linewidths=0)
    panel.set(xlim=(-2.7, 2.7), ylim=(-2.7, 2.7), xticks=(), yticks=(), aspect="equal")
    panel.set_title(title, fontsize=10)


def apart(a, b):
    """The energy distance of two crowds, of chapter 19: 0 if they are one."""

    def mean_distance(p, q):
        return np.sqrt(((p[:, None] - q) ** 2).sum(axis=2)).mean()

    return float(2 * mean_distance(a, b) - mean_distance(a, a) - mean_distance(b, b))


# %% [markdown]
# ## Why a solver cannot
#
# Three clouds of points in the plane again, and a network without fault: for clouds the best guess of $x_0$ can be
# written down. DPM-Solver walks from noise to the clouds in 1 to 16 steps.
#
# You should see a single dot after one step. Asked at pure noise, the network says the mean of all pictures, since
# nothing is seen of any; that is no error, it is the best answer to the question that it was trained on. With two steps
# the dots fill the triangle between the clouds. The ways bend where it is decided which cloud a dot goes to, and a
# solver with few steps goes straight on.

# %%
CROWD, start = draw_data(1000, CLOUDS), rng.standard_normal((1000, 2))
floor = apart(CROWD, draw_data(1000, CLOUDS))
figure, solved = Figure(figsize=(11, 2.5), dpi=110, layout="constrained"), {}
for panel, steps in zip(figure.subplots(1, 5), (1, 2, 4, 8, 16), strict=True):
    ends = walk("dpm_solver", make_levels(schedule, steps), start).paths[-1]
    solved[steps] = apart(ends, CROWD)
    show_crowd(panel, ends, f"{steps} asked: {solved[steps]:.3f}")
show(figure, "21_solver")
print("energy distances:", {steps: round(value, 4) for steps, value in solved.items()}, f"of true points {floor:.4f}")
assert solved[1] > 1 and solved[2] > 0.1 > solved[4] > 2 * solved[16]

# %% [markdown]
# ## Where the way ends
#
# So ask another question. Without fresh noise a sampler's way is settled by the place where it begins, and from any
# place on it the rest of it is settled, too. Let f say where it ends (Song et al. 2023, section 3):
#
# $$f(x_t, t) = x_0, \qquad \text{the end of the way through } x_t$$
#
# Whoever knows f draws in one evaluation: $f(x_T, T)$. The end is *a* picture, and not a mean of many.
#
# In one dimension f can be known without any network. Ways never meet, for at one place there is one slope. On a line
# that means: who has k others to his left keeps k others to his left. So put noise and data in order, and pair them.
#
# For normal data with mean m and deviation s this is a formula. At every t the crowd is normal, with the mean $\alpha
# m$ and the variance $\alpha^2 s^2 + \sigma^2$; to keep one's rank in it is to stay as many deviations from the mean:
#
# $$f(x_t, t) = m + s\, \frac{x_t - \alpha m}{\sqrt{\alpha^2 s^2 + \sigma^2}}$$
#
# Hold it beside the mean of all $x_0$, chapter 10's $E[x_0 | x_t] = m + \frac{\alpha s^2}{\alpha^2 s^2 + \sigma^2} (x_t
# - \alpha m)$. At $\alpha = 0$ the mean is m for everyone, and f is $m + s\, x_T$: all the variety of the data.
#
# You should see on the left ways of data near -1 or +1, and on the right their f. At much noise it is a stair: steep at
# the watershed, where ways part, and almost flat on either side. At little noise (t = 49) it is nearly the place itself
# but for the stair. The dashed line, the mean, climbs slowly: it is what the solver above went by.

# %%
two = Clouds(np.array([[-1.0], [1.0]]), np.array([0.6, 0.4]), 0.15)
N = 16  # levels
LEVELS = make_levels(schedule, N)


def ways_from(noise):
    """Their places at the levels, and their ends: (B, N + 1, 1)."""
    return walk("heun", make_levels(schedule, 15 * N), noise, two).paths[::15].swapaxes(0, 1)


WAYS, TEST = ways_from(rng.standard_normal((4000, 1))), ways_from(rng.standard_normal((500, 1)))
by_order = mine("21.2")(WAYS[:, 0, 0], draw_data(4000, two)[:, 0])  # yours, once it is written
print(f"ends by their order and by 240 steps of Heun's: apart by {np.median(abs(by_order - WAYS[:, -1, 0])):.3f}")
assert np.median(abs(by_order - WAYS[:, -1, 0])) < 0.03

one = Clouds(np.array([[0.5]]), np.ones(1), 0.3)  # normal data
gaussian_ways = walk("heun", make_levels(schedule, 240), TEST[:, 0], one).paths
for k in (0, 100, 200):
    level = make_levels(schedule, 240)[k]
    ends = mine("21.1")(gaussian_ways[k], level.alpha, level.sigma, 0.5, 0.3)
    assert np.abs(ends - gaussian_ways[-1]).max() < 0.01

x = np.linspace(-2.4, 2.4, 241)[:, None]
figure = Figure(figsize=(10, 3.9), dpi=110, layout="constrained")
left, right = figure.subplots(1, 2)
left.plot([*(level.t for level in LEVELS[:-1]), 0], WAYS[:40, :, 0].T, color="0.5", linewidth=0.9)
left.set(xlim=(999, 0), ylim=(-2.6, 2.6), xlabel="t: noise left, picture right", ylabel="$x_t$")
for t, colour in ((999, "tab:red"), (749, "tab:orange"), (249, "tab:green"), (49, "tab:blue")):
    ends = walk("heun", make_levels(schedule, min(200, t + 1), t_start=t), x, two).paths[-1]
    right.plot(x, ends, color=colour, linewidth=2, label=f"f at t = {t}")
right.plot(x, two.denoise(x, schedule.level(749))[0], "--", color="tab:orange", label="mean of $x_0$ at t = 749")
right.set(xlabel="$x_t$", ylabel="$x_0$")
right.legend(frameon=False, fontsize=9)
show(figure, "21_map")

# %% [markdown]
# ## Held at the end
#
# Where there is no noise the way is at its end: $f(x_0, 0) = x_0$. This **boundary condition** must hold, for it is the
# only place where a student that learns from itself (below) is told any truth. One can build it in. Song et al. let the
# network's answer F count less and less, in $y = x / \alpha$ and $r = \sigma / \alpha$:
#
# $$f = c_{skip}\, y + c_{out} F, \qquad c_{skip} = \frac{s^2}{(r - r_{min})^2 + s^2}, \quad
# c_{out} = \frac{s\, (r - r_{min})}{\sqrt{s^2 + r^2}}$$
#
# with s the deviation of the data, and drawing that ends at $r_{min}$. There $c_{skip} = 1$ and $c_{out} = 0$.
#
# And a network that predicts v? Its reading is $x_0 = \alpha x_t - \sigma v$. With $\alpha = 1 / \sqrt{1 + r^2}$ that
# is $\frac{1}{1 + r^2} y - \frac{r}{\sqrt{1 + r^2}} v$: the same two factors, for s = 1 and $r_{min} = 0$, but for the
# sign of F. So with v nothing has to be built. The library keeps the network and its reading as they are, and changes
# **what has to be predicted**, so that the reading comes out at the end of the way:
#
# $$v = \frac{\alpha x_t - f(x_t, t)}{\sigma}$$

# %%
source(leading_to)
level, v, x_t = schedule.level(600), rng.standard_normal((5, 1)), rng.standard_normal((5, 1))
f = mine("21.3")(-v, x_t / level.alpha, level.ratio, 1.0, 0.0)
assert np.allclose(f, level.alpha * x_t - level.sigma * v)
assert np.allclose(mine("21.3")(v, x_t, 0.1, 0.5, 0.1), x_t)


class Student(Module):
    """(x_t, t, what it is told) -> v, (B, D)."""

    def __init__(self, D=1, prompts=0, width=64):
        rng, sizes = np.random.default_rng(0), (D + prompts + 8, width, width, width, D)
        self.layers = [Linear(*pair, rng=rng) for pair in pairwise(sizes)]

    def forward(self, x_t, t, told):
        waves = np.cos(np.pi * (t[:, None] + 1) / 1000 * np.arange(1, 9))
        hidden = Tensor(np.concatenate([x_t, waves, told], axis=1).astype(np.float32))
        for layer in self.layers[:-1]:
            hidden = ops.silu(layer(hidden))
        return self.layers[-1](hidden)

    def end(self, x_t, level, told=None):
        """f(x_t, t), as a Tensor; level holds numbers, or an array of them for t, alpha and sigma each."""
        told = np.zeros((len(x_t), 0)) if told is None else told
        v = self(x_t, np.broadcast_to(level.t, len(x_t)), told)
        alpha, sigma = (np.asarray(rate, np.float32) for rate in (level.alpha, level.sigma))
        return Tensor(alpha * x_t.astype(np.float32)) - v * Tensor(sigma)


def train(student, loss, steps, after=lambda n: None, B=256):
    optimizer = AdamW(student)
    for n in range(steps):
        loss(B).backward()
        optimizer.step(warmup_cosine(n, steps, peak=0.004, warmup=20), largest_norm=1.0)
        after(n + 1)


# %% [markdown]
# ## Learn the ends
#
# The plainest way to f is to let the teacher go, note the places of each way, and its end (Luhman & Luhman 2021 did it
# for $x_T$ alone). Then train on the pairs (place, end), by least squares. There is no catch as there was in chapter
# 9: a place has one end, so the best answer is that end, not a mean.
#
# This is what `minisd train --stage few` does. The student begins as a copy of the teacher. 12,800 ways are gone
# beforehand, with prompts of the training data, and noted at the four levels where a drawing of 4 steps asks; a drawing
# of 2 steps, or 1, asks at some of the same. Below is its batch. (`minisd.train.few` has the rest, and 21.4 is yours.)

# %%
source(FewTask.batch)


def at(k):
    """The levels of those numbers, (B,): t (B,), alpha and sigma (B, 1)."""
    t, alpha, sigma = (np.array(each)[k] for each in zip(*LEVELS, strict=True))
    return NoiseLevel(t, alpha[:, None], sigma[:, None])


def some_ways(B):
    """Ways, and a level of each: its number, and what it is."""
    k = rng.integers(N, size=B)
    return WAYS[rng.integers(len(WAYS), size=B)], k, at(k)


def error(student):
    """By level: how far its answers are from the ends."""
    with no_grad():
        off = [student.end(TEST[:, k], LEVELS[k]).data - TEST[:, -1] for k in range(N)]
    return [float(np.sqrt((each**2).mean())) for each in off]


def from_ends(B):
    """|v - what leads to the end|^2"""
    ways, k, level = some_ways(B)
    x_t, wanted = mine("21.4")(ways, k, *(np.array(each)[:-1] for each in list(zip(*LEVELS, strict=True))[1:]))
    return ops.mean_squared_error(student(x_t, level.t, np.zeros((B, 0))), Tensor(wanted.astype(np.float32)))


STOPS, errors, spread = (100, 300, 1000), {}, {}


def note(name):
    """What is done after each step of a training: at some of them the error is noted."""
    errors[name] = {}

    def after(n):
        target.update()
        if n in STOPS:
            errors[name][n] = error(student)
        if n == STOPS[-1]:
            with no_grad():
                spread[name] = student.end(TEST[:, 0], LEVELS[0]).data.std()

    return after


student = Student()
target = EMA(student, decay=0.95)  # for the students after this one
train(student, from_ends, STOPS[-1], note("whole ways"))
print(f"whole ways: error {errors['whole ways'][1000][0]:.2f} of ends that spread {TEST[:, -1].std():.2f}")

# %% [markdown]
# ## Learn from the neighbour
#
# A way of a small network costs milliseconds. One of a network a thousand times as large costs seconds, and a million
# of them too much. **Consistency distillation** (Song et al. 2023, algorithm 2) never goes a whole way. It uses what f
# must fulfil: neighbours on one way have the same end,
#
# $$f(x_t, t) = f(x_s, s), \qquad x_s \text{ one step of the teacher from } x_t$$
#
# This and the boundary condition settle f: go from neighbour to neighbour, and $f(x_t, t) = f(x_s, s) = \dots = f(x_0,
# 0) = x_0$. So noise a picture to $x_t$, let the teacher go one step to $x_s$, and train (their equation 7)
#
# $$\mathrm{loss} = |f_\theta(x_t, t) - f_{\theta^-}(x_s, s)|^2$$
#
# The neighbour's answer is the target. It comes from a **target network** $\theta^-$, a moving average of the student's
# own weights, and counts as a number: no gradient goes through it (the **stop-gradient**). Truth enters at s = 0 alone,
# where $f(x_s, s) = x_s$, and climbs from there, from level to level. Each level adds its own fault: N neighbours that
# differ by $\delta$ each put the end off by up to $N \delta$.
#
# And without a teacher? Take $x_s = \alpha_s x_0 + \sigma_s \varepsilon$ with the picture and the noise that made
# $x_t$, as if the way were straight on (**consistency training**, their equation 10). On the mean it is right, as N
# grows: the teacher's slope was the mean of just these.
#
# We train three students more: from neighbours on the ways, from pairs without a teacher, and from such pairs with the
# gradient going through both ends. All that differs is the target.


# %%
def agreeing(neighbours, stop=True):
    """The loss: f(x_t) and f(x_s) should be the same."""

    def loss(B):
        x_t, now, x_s, then = neighbours(B)
        if stop:
            with no_grad(), target.in_use():
                there = student.end(x_s, then)
        else:
            there = student.end(x_s, then)
        return (((student.end(x_t, now) - there) * Tensor((1 / now.sigma).astype(np.float32))) ** 2).mean()

    return loss


def on_ways(B):
    ways, k, level = some_ways(B)
    return ways[np.arange(B), k], level, ways[np.arange(B), k + 1], at(k + 1)


def of_pairs(B):
    k, x_0, noise = rng.integers(N, size=B), draw_data(B, two), rng.standard_normal((B, 1))
    now, then = at(k), at(k + 1)
    return now.alpha * x_0 + now.sigma * noise, now, then.alpha * x_0 + then.sigma * noise, then


for name, neighbours, stop in (
    ("neighbours", on_ways, True),
    ("pairs", of_pairs, True),
    ("pairs, no stop", of_pairs, False),
):
    student = Student()
    target = EMA(student, decay=0.95)
    train(student, agreeing(neighbours, stop), STOPS[-1], note(name))

figure = Figure(figsize=(11, 3.2), dpi=110, layout="constrained")
for panel, name in zip(figure.subplots(1, 4, sharey=True), errors, strict=True):
    for steps, colour in zip(STOPS, ("0.75", "0.45", "tab:red"), strict=True):
        times = [level.t for level in LEVELS[:-1]]
        panel.plot(times, errors[name][steps], "o-", color=colour, markersize=3, label=f"{steps} steps")
    panel.set(title=name, xlabel="t: more noise to the right", ylim=(0, 0.65))
figure.axes[0].set_ylabel("error of the end")
figure.axes[0].legend(frameon=False, loc="upper left")
show(figure, "21_climbs")
for name in errors:
    print(f"{name:15} error at pure noise {errors[name][1000][0]:.2f}, its ends spread {spread[name]:.2f}")
print(f"true ends spread {TEST[:, -1].std():.2f}")
assert errors["whole ways"][100][0] < 0.7 * errors["neighbours"][100][0]
assert errors["neighbours"][1000][0] < 0.15 and errors["neighbours"][100][-2] < 0.7 * errors["neighbours"][100][0]
assert spread["pairs, no stop"] < 0.75 * TEST[:, -1].std() < 0.9 * spread["neighbours"]
assert errors["neighbours"][1000][0] < errors["pairs"][1000][0] < errors["pairs, no stop"][1000][0]

# %% [markdown]
# You should see that whole ways teach all levels at once, while neighbours get the small t right first: truth climbs.
# In the end both are about as good. Pairs are worse, for with 16 levels a straight step is long (Try 2). And without
# the stop-gradient pairs are hopeless: the ends spread about half as far as they should, and more steps do not help.
#
# Why? Look at one $x_t$, and at all neighbours $x_s$ that it may get. With m the mean of their answers $f(x_s)$, as in
# chapter 19,
#
# $$E |f(x_t) - f(x_s)|^2 = |f(x_t) - m|^2 + E |f(x_s) - m|^2$$
#
# The first term is what we want to be small. The second does not know $f(x_t)$, but a gradient through $f(x_s)$ makes
# it small, too: it likes all neighbours to say the same, a flat f. The stop-gradient takes it out. With a teacher
# $x_s$ follows from $x_t$, so the second term is 0, and in our small world the stop changes little (Try 3). It saves a
# backward pass all the same, and Song et al. report that it makes a large network's training stabler.
#
# Random targets have another cost, that a few far ones speak loudest. Song & Dhariwal (2024) therefore measure with
# $d(a, b) = \sqrt{|a - b|^2 + c^2} - c$, the **pseudo-Huber** distance. Its gradient is $\frac{a - b}{\sqrt{|a - b|^2 +
# c^2}}$: as the square's where the two are near, and never longer than 1. You should see one wrong number of twenty
# move the best answer of least squares, and hardly that of pseudo-Huber.

# %%
numbers = np.append(0.1 * rng.standard_normal(19), 10.0)[:, None]
least_squares, robust = numbers.mean(), 0.0
for _ in range(300):
    robust -= 0.01 * mine("21.6")(np.full((20, 1), robust), numbers, 0.1)[1].mean()
print(f"best answer to 19 numbers near 0 and one 10: by squares {least_squares:.2f}, by pseudo-Huber {robust:.3f}")
assert least_squares > 0.4 and abs(robust) < 0.1

# %% [markdown]
# ## Guidance inside
#
# The teacher is guided: in each step it is asked with the prompt and without, $\varepsilon = \varepsilon_{untold} + w\,
# (\varepsilon_{told} - \varepsilon_{untold})$. The student need not be. Where the guided way ends is a function of
# $x_T$ and the prompt, so it is learned like any other: the teacher is asked twice a step, the student once in all.
# This is guidance distillation (Meng et al. 2023). They tell the student w as well, as do latent consistency models
# (Luo et al. 2023), so that one may choose it later; ours learns the one w that its teacher drew with, a little more
# than the model's own: what a student does not tell apart costs accuracy, and a little guidance brings it back. And
# whether it is a whole way or a neighbour that is learned from, guidance is in the teacher's step (21.5).
#
# In the plane: prompts "left", the cloud on the left, and "right", the two others; with w = 2. One way in three is told
# nothing.

# %%
PROMPTS = {
    "": CLOUDS,
    "left": Clouds(CLOUDS.means[:1], np.ones(1), CLOUDS.deviation),
    "right": Clouds(CLOUDS.means[1:], CLOUDS.weights[1:] / CLOUDS.weights[1:].sum(), CLOUDS.deviation),
}
ONE_HOT = dict(zip(PROMPTS, np.eye(3), strict=True))
FOUR = make_levels(schedule, 4)


def teacher(prompt, scale=2.0):
    """What a sampler calls denoise: guided, and without fault."""

    def denoise(x, level):
        pairs = zip(PROMPTS[prompt].denoise(x, level), CLOUDS.denoise(x, level), strict=True)
        return tuple(guided(told, untold, scale) for told, untold in pairs)

    return denoise


def go(denoise, x_T, levels, sampler="dpm_solver"):
    """The places at every level, (levels, B, 2)."""
    return np.stack([x_T, *(x for x, _ in SAMPLERS[sampler](denoise, x_T, levels, None))])


ways, told = [], []
for prompt in PROMPTS:
    places = go(teacher(prompt), rng.standard_normal((4000, 2)), make_levels(schedule, 16))
    ways.append(places[::4].swapaxes(0, 1))  # at the four levels, and the ends
    told.append(np.tile(ONE_HOT[prompt], (4000, 1)))
ways, told = np.concatenate(ways), np.concatenate(told)
TIMES, ALPHA, SIGMA = (np.array(each)[:-1] for each in zip(*FOUR, strict=True))


def from_guided_ways(B):
    chosen, level = rng.integers(len(ways), size=B), np.arange(B) % 4
    x_t, wanted = mine("21.4")(ways[chosen], level, ALPHA, SIGMA)
    return ops.mean_squared_error(student(x_t, TIMES[level], told[chosen]), Tensor(wanted.astype(np.float32)))


student = Student(D=2, prompts=3)
train(student, from_guided_ways, 2500)

x_t, (now, then) = rng.standard_normal((4, 2)), FOUR[1:3]
asked = [lambda x, a, s, of=of: of.denoise(x, NoiseLevel(0, a, s))[1] for of in (PROMPTS["right"], CLOUDS)]
place = mine("21.5")(*asked, lambda x, a, s: x, x_t, *now[1:], *then[1:], 2.0)  # the neighbour's place
assert np.allclose(place, go(teacher("right"), x_t, (now, then), "ddim")[-1])

# %% [markdown]
# ## Ask again
#
# One evaluation draws. More than one? There is a way (their algorithm 1): what f says is a picture, so treat it as one.
# Noise it anew, to a lower level, and ask where *that* leads.
#
# $$x_0 = f(x_t, t), \qquad x_s = \alpha_s x_0 + \sigma_s \varepsilon, \quad \varepsilon \text{ fresh}$$
#
# If the $x_0$ are distributed as the data are, the $x_s$ are distributed as noised data, and that is where f is at
# home. So for an exact f one step is as good as ten. For a student it is not: its errors get drowned in the fresh
# noise. For normal data we can follow one. If $x_0$ is off by $\delta$, then $x_s$ by $\alpha_s \delta$, and the next
# answer, if exact, by $\frac{\alpha_s s}{\sqrt{\alpha_s^2 s^2 + \sigma_s^2}} \delta$, always less. To put the *old*
# noise back, $(x_t - \alpha x_0) / \sigma$, would be a step of DDIM along the student's own straight line, errors and
# all.

# %%
source(multistep)


def fresh_noise():
    return rng.standard_normal(start.shape)


def draw(prompt, steps):
    """Where the student's drawings end."""

    def denoise(x, level):
        with no_grad():
            return student.end(x, level, np.tile(ONE_HOT[prompt], (len(x), 1))).data, None

    *_, (x, _) = multistep(denoise, start, make_levels(schedule, steps), fresh_noise)
    return x


def astray(points):
    """The share that lies further than five deviations from every cloud."""
    return float((np.linalg.norm(points[:, None] - CLOUDS.means, axis=2).min(axis=1) > 5 * CLOUDS.deviation).mean())


figure = Figure(figsize=(11, 4.3), dpi=110, layout="constrained")
panels, far, strayed = figure.subplots(2, 6), {}, {}
for row, prompt in zip(panels, ("", "right"), strict=True):
    CROWD = go(teacher(prompt), rng.standard_normal((1000, 2)), make_levels(schedule, 200), "heun")[-1]
    asks = 1 if prompt == "" else 2
    for panel, steps in zip(row, (1, 2, 4), strict=False):
        ends = go(teacher(prompt), start, make_levels(schedule, steps))[-1]
        far["teacher", prompt, steps] = apart(ends, CROWD)
        show_crowd(panel, ends, f"teacher, {asks * steps} asked: {far['teacher', prompt, steps]:.3f}")
    for panel, steps in zip(row[3:], (1, 2, 4), strict=True):
        ends = draw(prompt, steps)
        far["student", prompt, steps], strayed[prompt, steps] = apart(ends, CROWD), astray(ends)
        show_crowd(panel, ends, f"student, {steps} asked: {far['student', prompt, steps]:.3f}")
    row[0].set_ylabel(f'"{prompt}"', fontsize=12)
show(figure, "21_students")
print("share of dots between the clouds:", {key: f"{value:.1%}" for key, value in strayed.items()})
assert all(far["student", prompt, n] < far["teacher", prompt, n] for prompt in ("", "right") for n in (1, 2))
assert far["student", "right", 4] > 2 * far["student", "right", 1]
assert all(far["student", prompt, 1] < 0.02 and strayed[prompt, 4] < strayed[prompt, 1] for prompt in ("", "right"))

# %% [markdown]
# You should see that the student draws the clouds in one evaluation, where the teacher draws a dot. But look between
# the clouds: some dots lie on a bridge. There the true f is a cliff, and no network is that steep. After four
# questions hardly any is left: a dot on the bridge, noised, is taken for one of either cloud, and decided anew.
#
# Now the catch. For the guided row the distance *grows* with the questions, though the dots are tidier. Is the student
# to blame? Take the exact f, 120 steps of the teacher's, and ask it again and again.
#
# You should see that without guidance (w = 1) the mean of the left cloud stays where it is, at -1.6. With w = 2 one
# question ends at about -1.75, guidance's exaggeration, and further ones come back from there. The places of guided
# ways are no noised data of *anything*: their ends, noised again, lie where no guided way comes by, and what guidance
# did at much noise is not done again at little. So asking again takes guidance back. One may well like that; one must
# not be surprised by it.


# %%
def exact_end(scale):
    def denoise(x, level):
        levels = make_levels(schedule, 120, t_start=round(level.t))
        return go(teacher("left", scale), x, levels, "heun")[-1], None

    return denoise


shifted = {}
for scale in (1.0, 2.0):
    for steps in (1, 2, 4):
        *_, (ends, _) = multistep(exact_end(scale), start, make_levels(schedule, steps), fresh_noise)
        shifted[scale, steps] = float(ends[:, 0].mean())
        print(f"w = {scale:g}, questions: {steps}, the left cloud's mean: {shifted[scale, steps]:.2f}")
assert all(abs(shifted[1.0, n] + 1.6) < 0.03 for n in (1, 2, 4))
assert shifted[2.0, 1] < -1.72 and shifted[2.0, 1] + 0.05 < shifted[2.0, 2] < shifted[2.0, 4] + 0.01

# %% [markdown]
# ## What is lost
#
# **Variety.** A student that is too small for the cliffs answers with something smoother, and smoother is narrower. How
# much can be said exactly. Least squares are at their best when what is missed is not correlated with the answers (or
# scaling the answers would help), and then, as with Pythagoras,
#
# $$\mathrm{Var}(\text{ends}) = \mathrm{Var}(\text{answers}) + \text{mean squared error}$$
#
# So the loss that a distillation is left with *is* the variety that one question lacks. You should see the sum stay
# nearly the same for students of 2 to 32 numbers a layer.


# %%
def from_noise(B):
    chosen = WAYS[rng.integers(len(WAYS), size=B)]
    return ((narrow.end(chosen[:, 0], LEVELS[0]) - Tensor(chosen[:, -1].astype(np.float32))) ** 2).mean()


for width in (2, 4, 32):
    narrow = Student(width=width)
    train(narrow, from_noise, 600)
    with no_grad():
        answers = narrow.end(WAYS[:, 0], LEVELS[0]).data
    missed = float(((answers - WAYS[:, -1]) ** 2).mean())
    print(f"width {width:2}: variance {answers.var():.3f} + missed {missed:.3f} = {answers.var() + missed:.3f}")
    assert abs(answers.var() + missed - WAYS[:, -1].var()) < 0.04

# %% [markdown]
# **The teacher's faults stay.** What 16 steps drew badly is the student's truth. You should see clouds that are a tenth
# too narrow, teacher's and student's alike. And a guided teacher varied less than the data to begin with.

# %%
for name, drawn in (
    ("teacher, 16 steps", go(teacher(""), start, make_levels(schedule, 16))[-1]),
    ("student, 1 question", draw("", 1)),
    ("student, 4 questions", draw("", 4)),
):
    nearest = np.linalg.norm(drawn[:, None] - CLOUDS.means, axis=2).min(axis=1)
    width = float(np.median(nearest) / (1.1774 * CLOUDS.deviation))  # 1.1774: the median of round normal dots
    print(f"{name:20} clouds {width:.2f} times as wide as the data's")
    assert 0.8 < width < 0.97

# %% [markdown]
# **Freedom.** w and the sampler are settled, and the student knows four levels of noise and no others. Image-to-image,
# which begins wherever one likes, inpainting and negative prompts stay with the teacher.
#
# **Time, before.** 12,800 ways of 8 steps, half of them guided, are 153,600 evaluations, before the student takes its
# first training step.
#
# ## Other roads
#
# **Progressive distillation** (Salimans & Ho 2022, algorithm 2) halves: the student learns to do in one step of DDIM
# what the teacher does in two, and is the next teacher; from 1024 steps to 4 in eight rounds. What has the student to
# say? One step with the guess $\tilde x$ leads to $\alpha'' \tilde x + \frac{\sigma''}{\sigma} (x_t - \alpha \tilde
# x)$. Let that be $x''$, where the teacher's two steps ended, and solve:
#
# $$\tilde x = \frac{x'' - (\sigma'' / \sigma)\, x_t}{\alpha'' - (\sigma'' / \sigma)\, \alpha}$$

# %%
x_t, (first, middle, last) = start[:5], ((level.alpha, level.sigma) for level in FOUR[:3])
guess = mine("21.8")(lambda x, a, s: CLOUDS.denoise(x, NoiseLevel(0, a, s))[0], x_t, first, middle, last)
one_step = last[0] * guess + last[1] * (x_t - first[0] * guess) / first[1]
assert np.allclose(one_step, go(CLOUDS.denoise, x_t, FOUR[:3], "ddim")[-1])
print("one step with the new guess ends where two steps of the teacher's did")

# %% [markdown]
# | | the student learns from | asked for a target | steps in the end |
# |---|---|---|---|
# | whole ways (Luhman & Luhman 2021), ours | the end of the way | nothing; all ways beforehand | 1; ours 1, 2, 4 |
# | progressive (Salimans & Ho 2022) | two steps of the teacher's in one | teacher 2 | halved each round |
# | consistency (Song et al. 2023) | what itself says of the neighbour | teacher 1 or 2, target 1 | 1 and more |
# | latent consistency (Luo et al. 2023) | the same in latents, guided, w told | teacher 2, target 1 | 1 to 8 |
# | guided (Meng et al. 2023) | the guided prediction, then progressively | teacher 2 | 1 to 4 |
# | reflow (Liu et al. 2023; chapter 19) | straight lines from noise to end | nothing; all pairs beforehand | few |
# | adversarial (Sauer et al. 2023) | a critic that tells drawings from pictures | teacher 1, critic 1 | 1 to 4 |
#
# All but the last measure how far a student's picture is from the one that is wanted, and where that jumps, squares
# settle between the two. A critic only asks whether the picture could be a real one: it sharpens, and is hard to train.
#
# ## On digits
#
# The teacher: the network that comes with minisd, guided, in 16 steps, then in 4, 2 and 1. Below them the student's
# rows, if your model has a network for few steps; train one with `minisd train --stage few --model FOLDER`, and draw by
# `minisd draw "a seven" --few 4`.
#
# You should see three twos and three fives in 16 steps, one of each in a single step: the mean of the prompt's digits,
# whatever the noise. With two steps they are told apart, and with four there is little to complain of: on digits, with
# prompts that say so much, the ways bend less than those in the plane.

# %%
pipeline = Pipeline.load()
prompts = ["a two"] * 3 + ["a five"] * 3
rows = {f"teacher, {n}": pipeline.draw(prompts, seed=3, steps=n, sampler="dpm_solver") for n in (16, 4, 2, 1)}
if pipeline.few is not None:
    rows |= {f"student, {n}": pipeline.draw(prompts, seed=3, few=n) for n in pipeline.few.info.choices[::-1]}
show_rows(rows, "21_digits", headings=prompts)
varied = {name: float(drawn[:3].std(axis=0).mean()) for name, drawn in rows.items()}
print("how much a pixel varies from two to two, of 255:", {name: round(value, 1) for name, value in varied.items()})
assert 5 * varied["teacher, 1"] < varied["teacher, 16"] < 1.5 * varied["teacher, 4"]

levels, (low, high) = make_levels(pipeline.schedule, 8)[:-1], pipeline.info.guidance_interval
evaluations = len(levels) + sum(low <= level.t < high for level in levels)
print(f"8 steps of the teacher's: {evaluations} evaluations, for it is guided where {low} <= t < {high}")
assert evaluations == 12 and 12_800 * evaluations == 153_600

# %% [markdown]
# And by number: how many of the test digits' prompts the judge reads as asked, the Frechet distance, and the recall,
# which is the variety (chapter 11; `minisd eval`, and `minisd eval --few 1`). Before you look: which of the three does
# one question cost most, and what do two and four questions win back?

# %%
# THE DIGITS' TABLE: (who, evaluations, accuracy, Frechet distance, recall), a line each.
DIGITS = ()

for who, asked_for, accuracy, frechet, recall in DIGITS:
    print(f"{who:10} {asked_for:3} evaluations: {accuracy:6.1%} {frechet:6.2f} {recall:6.3f}")

# %% [markdown]
# ## Exercises
#
# 21.1 is the exact end for normal data, 21.2 that by order. 21.3 has the factors that hold f at the end, 21.4 makes a
# batch of whole ways, 21.5 a target from a guided neighbour. 21.6 is the pseudo-Huber distance with its gradient, 21.7
# draws in few steps, and 21.8 puts two steps into one. 21.9 to 21.11 want a number: evaluations saved, what is left of
# an error, variety that is lost. In a shell: `minisd course check 21.1`; here: `check("21.1", end_of_a_way)`.
#
# ## Try
#
# 1. A teacher draws in 8 steps, 4 of them guided; its student in 2. How many times as many evaluations are the
#    teacher's? Answer: 12 / 2 = 6.
# 2. Set N to 64, and STOPS to (100, 300, 3000). How far does the spread of the pairs come back? Answer: from 0.84
#    to 0.92, of 0.99; the step from neighbour to neighbour has become shorter, and there are more of them.
# 3. Train by `agreeing(on_ways, stop=False)`. Is it worse? Answer: no; with a teacher the second term is 0.
# 4. Why do whole ways need no target network? Answer: their targets are the teacher's ends, which stay as they are
#    while the student learns.

# %%
assert (8 + 4) / 2 == 6
