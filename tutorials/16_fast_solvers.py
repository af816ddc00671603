# %% [markdown]
# # 16. Fast solvers
#
# DDPM was made for a thousand steps. Today's programs draw in ten or twenty, with the same network. Why can 10 steps do
# what 1000 did? Because without fresh noise the way from noise to picture is a smooth curve, and how to follow a smooth
# curve in few steps has been known since Euler (1768), Adams (1855) and Heun (1900).
#
# You need chapter 10 (drawing), and what a derivative and an integral are. It takes about 20 seconds.

# %%
import math

import numpy as np
from matplotlib.figure import Figure

from minisd.course import mine, show, source
from minisd.diffusion.guidance import ClassifierFreeGuidance
from minisd.diffusion.prediction import x_0_and_noise
from minisd.diffusion.samplers import SAMPLERS, initial_noise, sample_rngs
from minisd.diffusion.samplers.dpm_solver import on_the_line, towards
from minisd.diffusion.samplers.lms import lagrange_integrals
from minisd.diffusion.schedule import NoiseLevel, make_schedule
from minisd.diffusion.spacing import make_levels
from minisd.evaluation import Judge
from minisd.pipeline import Pipeline

rng = np.random.default_rng(0)
schedule = make_schedule("cosine")
COLOURS = {"euler": "tab:blue", "heun": "tab:orange", "lms": "tab:green", "dpm_solver": "tab:red"}

# %% [markdown]
# ## The way is a curve
#
# A step of DDIM takes $x = \alpha x_0 + \sigma \varepsilon$ apart and mixes it again, $x' = \alpha' x_0 + \sigma'
# \varepsilon$. Divide both by their $\alpha$, write $y = x / \alpha$ and $r = \sigma / \alpha$, and subtract:
#
# $$y = x_0 + r \varepsilon, \qquad y' = x_0 + r' \varepsilon \qquad\Rightarrow\qquad y' - y = (r' - r)\, \varepsilon$$
#
# Let the step become short:
#
# $$\frac{dy}{dr} = \varepsilon(y, r)$$
#
# This is the probability-flow equation (Song et al. 2021, DDIM's eq. 14; Karras et al. 2022, eq. 1, who call r
# sigma). The noise in a picture is the slope of the curve that it moves along, and the ratio of noise to picture is the
# clock. Going straight on along the slope for a whole step is **Euler's method**. So DDIM is Euler's method: not
# nearly, but exactly. With the predicted $\varepsilon$ in place of the true one the three lines above stay as they are.

# %%
euler_step = mine("16.1")  # yours, if you have written it; else the library's
source(euler_step)


def curved(x, level):
    """Some smooth prediction: (x_0, noise)."""
    noise = np.tanh(x) + 0.3 * np.sin(3 * level.ratio)
    return (x - level.sigma * noise) / level.alpha, noise


levels, x_T = make_levels(schedule, 10), rng.standard_normal((1, 4, 4, 1))
ends = {name: [x for x, _ in SAMPLERS[name](curved, x_T, levels, None)] for name in ("ddim", "euler")}
x, now, then = x_T, levels[0], levels[1]
by_hand = euler_step(x, curved(x, now)[1], now.alpha, now.sigma, then.alpha, then.sigma)
assert np.allclose(ends["ddim"], ends["euler"]) and np.allclose(by_hand, ends["ddim"][0])
print("all ten steps of Euler's method are those of DDIM")

# %% [markdown]
# Let us look at such curves. The smallest world that has any: "pictures" of a single number, which is near -1 or near
# +1. The best guess of x_0 is then known: both places, weighted by how likely y is from there.
#
# You should see that with much noise, on the left, all curves are nearly straight, and that they bend where it is
# decided whether a point becomes -1 or +1. A few long steps of Euler's miss the bend. Heun's method, below, looks at
# the slope at the end of each step, too, and stays close in as many steps.


# %%
def two_places(x, level, spread=0.15):
    """(x_0, noise) where half of the data lie at -1 and half at +1, with a deviation of `spread`."""
    y, variance = x / level.alpha, spread**2 + level.ratio**2
    middle = np.tanh(y / variance)  # of the two places, by their probabilities
    x_0 = middle + spread**2 / variance * (y - middle)
    return x_0, (y - x_0) / level.ratio


def path(sampler, start, ratios):
    """The places y at every ratio; alpha stays 1, so that x is y."""
    levels = [NoiseLevel(0, 1.0, float(ratio)) for ratio in ratios]
    return np.array([start, *(float(x) for x, _ in SAMPLERS[sampler](two_places, start, levels, None))])


few, many = np.geomspace(4, 0.05, 7), np.geomspace(4, 0.05, 301)
figure = Figure(figsize=(8, 4.2), dpi=110, layout="constrained")
panel = figure.subplots()
for start in np.linspace(-4.4, 4.4, 12):
    panel.plot(many, path("heun", start, many), color="0.8", linewidth=1)
start = 0.4
true = path("heun", start, many)
panel.plot(many, true, color="0.2", linewidth=2)
walked = {name: path(name, start, few) for name in ("euler", "heun")}
for name, place in (("euler", (1.05, -0.35)), ("heun", (2.6, 0.55))):
    panel.plot(few, walked[name], "o-", color=COLOURS[name], markersize=5)
    panel.text(*place, f"{name.title()}, 6 steps", color=COLOURS[name], fontsize=12)
panel.set(xlim=(4, 0), ylim=(-2, 2), xlabel="$r = \\sigma / \\alpha$: less noise to the right", ylabel="y")
show(figure, "16_curves")
missed = {name: float(abs(y - true[::50]).max()) for name, y in walked.items()}
print("furthest from the curve:", {name: round(value, 3) for name, value in missed.items()})
assert missed["heun"] < missed["euler"] / 2

# %% [markdown]
# ## How wrong is a step?
#
# Taylor's series knows. Where the curve is smooth, a step of length h leads to
#
# $$y(r + h) = y + h\, y' + \frac{h^2}{2}\, y'' + \frac{h^3}{6}\, y''' + \dots$$
#
# Euler takes the first two terms. The rest is his **local error**, about $h^2 / 2$ times $y''$, how much the curve
# bends. A way of length L takes $n = L / h$ steps, and their errors add up to the **global error**
#
# $$n \cdot \frac{h^2}{2}\, y'' = \frac{L}{2}\, y''\, h \quad\sim\quad \frac{1}{n}$$
#
# Twice the steps, half the error: a method of **order** 1. In general, an order p has local errors like $h^{p+1}$ and
# a global one like $n^{-p}$.
#
# Heun's method asks for the slope at the end of Euler's step, too. That slope is $y' + h\, y'' + O(h^2)$, so the mean
# of the two, times h, is
#
# $$h\, \frac{y' + (y' + h\, y'')}{2} = h\, y' + \frac{h^2}{2}\, y''$$
#
# the first **three** terms of the series. The local error is of the third order in h, the global one of the second: a
# quarter of the error for twice the steps. But each step asks the network twice. That pays when h is small enough.

# %%
source(mine("16.2"))

# %% [markdown]
# ## Ask once, remember
#
# The network was asked before, at the last steps, and what it said there says how its answer changes. **Linear
# multi-step** methods (LMS) lay a polynomial through the last few slopes and integrate it over the step. By Lagrange's
# formula that is a sum of the slopes with weights, which depend only on where the steps lie. With k slopes the order is
# k, at the price of Euler. For equal steps the weights have been known since Adams.

# %%
source(lagrange_integrals)
ADAMS = ([1], [3 / 2, -1 / 2], [23 / 12, -16 / 12, 5 / 12], [55 / 24, -59 / 24, 37 / 24, -9 / 24])
for k, wanted in enumerate(ADAMS, start=1):
    weights = mine("16.5")([0.0, -1.0, -2.0, -3.0][:k], 1.0)
    print(f"order {k}:", "  ".join(f"{weight:7.4f}" for weight in weights))
    assert np.allclose(weights, wanted)

# %% [markdown]
# ## Which clock?
#
# Polynomials want a quantity that changes evenly. Is r the right clock for it? It need not be: divide DDIM's step by
# $\sigma$ instead of $\alpha$. Then $x / \sigma = \frac{\alpha}{\sigma} x_0 + \varepsilon$, and with $\lambda = \ln
# (\alpha / \sigma)$
#
# $$\frac{x'}{\sigma'} - \frac{x}{\sigma} = \left(e^{\lambda'} - e^{\lambda}\right) x_0
# \qquad\Rightarrow\qquad \frac{d (x / \sigma)}{d e^\lambda} = x_0$$
#
# It is the same curve, but its slope is now the predicted picture, not the noise. Integrate, with $d e^l = e^l dl$:
#
# $$x' = \frac{\sigma'}{\sigma}\, x + \sigma' \int_\lambda^{\lambda'} e^l\, x_0(l)\, dl$$
#
# This is exact (Lu et al. 2022, DPM-Solver++), and it is called an **exponential integrator**. What the network knows
# is $x_0(l)$, and that alone must be guessed during the step; how the old noise fades, $\sigma' / \sigma$, and the
# weight $e^l$ are taken without error, however long the step. If $x_0$ stays what it is, the integral is $x_0
# (e^{\lambda'} - e^\lambda)$, and with $h = \lambda' - \lambda$
#
# $$x' = \frac{\sigma'}{\sigma}\, x + \alpha' \left(1 - e^{-h}\right) x_0$$
#
# DDIM again. DPM-Solver++(2M) guesses better: the line through the last two $x_0$, half a step on. Its order is 2 and
# it asks once a step. In SD programs it is "DPM++ 2M".

# %%
source(towards)
source(on_the_line)

# %% [markdown]
# Now, why $\lambda$? Let us ask the trained network for x_0 all along the way of one digit, and draw a few of its 196
# numbers against three clocks.
#
# You should see on the left, against r, a wall: everything happens in the last hundredth of the axis, and a polynomial
# through places further out knows nothing of it. Against t it is better; against $\lambda$ the change is spread most
# evenly, with a calm begin.

# %%
pipeline, judge = Pipeline.load(), Judge.load()
digits = ["a zero", "a three", "a five", "a seven", "an eight"]
prompts, nothing = pipeline.encode_prompts(digits), pipeline.encode_prompts([""] * len(digits))
z_T = initial_noise(pipeline.latent_shape, sample_rngs(3, len(digits)))
asked = 0


def network(prompts, nothing, scale=1.0, interval=(0, 1000)):
    """What a sampler calls denoise: the trained network, guided."""
    model = ClassifierFreeGuidance(pipeline.predict, prompts, nothing, scale, interval)

    def denoise(z, level):
        global asked
        asked += 1
        predicted = model(z, np.full(len(z), float(level.t)))
        return x_0_and_noise(pipeline.info.prediction, predicted, z, level.alpha, level.sigma)

    return denoise


def walk(sampler, denoise, start, levels):
    """Where it ends."""
    *_, (x, _) = SAMPLERS[sampler](denoise, start, levels, lambda: 0.0)
    return x


plain = network(prompts, nothing)
levels = make_levels(pipeline.schedule, 60)
guesses = np.stack([x_0[3].ravel() for _, x_0 in SAMPLERS["dpm_solver"](plain, z_T, levels, None)])  # (60, 196)
clocks = {
    "$r = \\sigma / \\alpha$": [level.ratio for level in levels[1:-1]],
    "t": [level.t for level in levels[1:-1]],
    "$\\lambda = \\ln (\\alpha / \\sigma)$": [level.half_log_snr for level in levels[1:-1]],
}
most = np.argsort(-np.ptp(guesses, axis=0))[:5]
figure = Figure(figsize=(10, 3.4), dpi=110, layout="constrained")
busiest = {}
for panel, (name, clock) in zip(figure.subplots(1, 3, sharey=True), clocks.items(), strict=True):
    panel.plot(clock, guesses[1:, most], linewidth=1.8)
    panel.set_xlim(clock[0], clock[-1])
    panel.set_xlabel(name, fontsize=12)
    moved = np.abs(np.diff(guesses[1:], axis=0)).sum(axis=1)
    twentieth = ((np.array(clock[:-1]) - clock[0]) / (clock[-1] - clock[0]) * 20).astype(int)
    busiest[name] = float(np.bincount(twentieth, moved).max() / moved.sum())
figure.axes[0].set_ylabel("five numbers of the predicted $z_0$")
show(figure, "16_clocks")
print("share of all change in the busiest twentieth of each clock:", [f"{share:.0%}" for share in busiest.values()])
by_r, by_t, by_lambda = busiest.values()
assert by_r > 3 * by_t and by_lambda < 1.1 * by_t and by_lambda < 0.2

# %% [markdown]
# ## The order, measured
#
# First where the end is known. For Gaussian data chapter 10 has the best guess and the exact way. We walk from t = 900
# to t = 100, in ever more steps, each of which removes the same share of the noise, and plot the error against what it
# costs: how often the network would be asked. An order p is a straight line of slope -p between logarithms.
#
# You should see: Euler's line falls by 1, Heun's and DPM-Solver's by 2, LMS's (four slopes) faster than either. For an
# error of 0.001 Euler needs hundreds of questions where LMS needs twenty. Heun pays double for every step, so his line
# stands to the right of DPM-Solver's.
#
# Two things that a textbook's plot leaves out. LMS knows one slope at first, so its first step is Euler's: that single
# error, about $h^2$, is small here, but falls only by the square. The line is steeper than 3 at first and bends to 2 in
# the end. And DPM-Solver's error happens to change its sign near ten steps, for these data: a lucky dip. **An order
# speaks of short steps only.** What one has with ten long ones must be measured.


# %%
mu, s = 0.5, 0.5
z = rng.standard_normal((1, 20, 20, 1))
best_guess, measured_order = mine("10.5"), mine("16.3")


def exact(level):
    return level.alpha * mu + math.hypot(level.alpha * s, level.sigma) * z


def gaussian(x, level):
    global asked
    asked += 1
    gain = level.alpha * s**2 / (level.alpha**2 * s**2 + level.sigma**2)
    x_0 = mu + gain * (x - level.alpha * mu)
    return x_0, (x - level.alpha * x_0) / level.sigma


def rms(error):
    return float(np.sqrt(np.mean(np.square(error, dtype=float))))


def middle(schedule, steps, first=900, last=100):
    """Levels from one t to another whose ratios fall by the same factor each time."""
    ratios = np.geomspace(schedule.level(first).ratio, schedule.level(last).ratio, steps + 1)
    return [schedule.level_of(ratio) for ratio in ratios.tolist()]


counts, costs, errors = [5, 10, 20, 40, 80, 160, 320], {}, {}
for name in COLOURS:
    costs[name], errors[name] = [], []
    for steps in counts:
        levels, asked = middle(schedule, steps), 0
        errors[name].append(rms(walk(name, gaussian, exact(levels[0]), levels) - exact(levels[-1])))
        costs[name].append(asked)
orders = {name: measured_order(counts[-3:], errors[name][-3:]) for name in COLOURS}
steepest = measured_order(counts[1:4], errors["lms"][1:4])
for name in COLOURS:
    print(f"{name:10} order {orders[name]:.2f}   errors", "  ".join(f"{error:.1e}" for error in errors[name]))
print(f"lms        order {steepest:.2f} between 10 and 40 steps")
assert all(abs(orders[name] - order) < 0.15 for name, order in (("euler", 1), ("heun", 2), ("dpm_solver", 2)))
assert steepest > 3 > orders["lms"] > 1.9 and orders["lms"] < steepest - 0.5

figure = Figure(figsize=(7.5, 4.6), dpi=110, layout="constrained")
panel = figure.subplots()
names = {"euler": "Euler", "heun": "Heun", "lms": "LMS, 4 slopes", "dpm_solver": "DPM-Solver++(2M)"}
for name, colour in COLOURS.items():
    panel.loglog(costs[name], errors[name], "o-", color=colour, markersize=4)
    panel.text(
        costs[name][-1] * 1.1,
        errors[name][-1],
        f"{names[name]}: {orders[name]:.1f}",
        color=colour,
        fontsize=11,
        va="center",
    )
panel.set(xlim=(4, 4500), xlabel="questions to the network", ylabel="error")
panel.set_xticks([5, 10, 20, 50, 100, 200, 500], ["5", "10", "20", "50", "100", "200", "500"])
panel.minorticks_off()
show(figure, "16_order")

# %% [markdown]
# ## The order, on digits
#
# And with the trained network, where no one knows the exact end? The end of very many steps stands for it: 250 of
# DPM-Solver. The error is the root mean square over the latents, whose numbers are about 1 large. Three ways of making
# it harder:
#
# - **the middle**: from t = 900 to t = 100, without guidance, as above;
# - **the whole way**: from pure noise to the clean picture, t evenly spaced;
# - **guided**: the same with guidance as the model ships with, 1.5 for 300 <= t < 800.


# %%
guided = network(prompts, nothing, pipeline.info.guidance, pipeline.info.guidance_interval)
z_900 = walk("dpm_solver", plain, z_T, [pipeline.schedule.level(t) for t in range(999, 899, -9)])
ways = {
    "the middle": (plain, z_900, lambda steps: middle(pipeline.schedule, steps)),
    "the whole way": (plain, z_T, lambda steps: make_levels(pipeline.schedule, steps)),
    "guided": (guided, z_T, lambda steps: make_levels(pipeline.schedule, steps)),
}
budgets, off, ends = [4, 8, 16, 32], {}, {}
for way, (denoise, start, levels_of) in ways.items():
    ends[way, "best"] = walk("dpm_solver", denoise, start, levels_of(250))
    for name in ("euler", "heun", "dpm_solver"):
        for budget in budgets:
            steps = budget // 2 if name == "heun" else budget
            ends[way, name, budget] = walk(name, denoise, start, levels_of(steps))
            off[way, name, budget] = rms(ends[way, name, budget] - ends[way, "best"])
        row = [off[way, name, budget] for budget in budgets]
        order = measured_order(budgets[1:], row[1:])
        print(f"{way:14} {name:10} order {order:4.2f}   errors", "  ".join(f"{error:.4f}" for error in row))

# %% [markdown]
# ## Exercises
#
# 16.1 and 16.2 are Euler's and Heun's steps, 16.3 measures an order, 16.4 says where Karras et al. put the steps. 16.5
# finds the weights of a multi-step method and 16.8 makes a sampler of them that draws: `minisd draw "a seven" --steps
# 12 --with exercises/ex16_8_lms.py`. 16.6 splits an ancestral step, 16.7 solves DPM-Solver's integral on paper. 16.9 to
# 16.11 want a number. In a shell: `minisd course check 16.1`; here: `check("16.1", euler_step)`.
