# %% [markdown]
# # 19. Flow matching
#
# Diffusion leads from picture to noise along a quarter of a circle, $\alpha = \cos\varphi$, $\sigma = \sin\varphi$. Why
# not along a straight line? Three groups asked that at the same time (Lipman et al. 2023, Liu et al. 2023, Albergo and
# Vanden-Eijnden 2023), and Stable Diffusion 3 is trained so (Esser et al. 2024). It is a simpler story: no noise is
# predicted, dots move. And it is, as we shall see, the old story told anew, so that one network serves both.
#
# You need chapters 9 and 10 (noise, drawing); 16 (fast solvers) helps. It takes about 15 seconds.

# %%
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure

from minisd import ops
from minisd.autograd import Tensor, no_grad
from minisd.course import mine, show, show_rows, source
from minisd.diffusion.comparison import walk
from minisd.diffusion.guidance import ClassifierFreeGuidance
from minisd.diffusion.objectives import OBJECTIVES, Objective
from minisd.diffusion.objectives.times import logit_normal
from minisd.diffusion.prediction import mixture, target, x_0_and_noise
from minisd.diffusion.samplers import SAMPLERS, initial_noise, sample_rngs
from minisd.diffusion.schedule import FlowSchedule, make_schedule
from minisd.diffusion.spacing import make_levels
from minisd.diffusion.toy import CLOUDS, Clouds
from minisd.nn import Linear, Module
from minisd.optim import AdamW, warmup_cosine
from minisd.pipeline import Pipeline

rng = np.random.default_rng(0)
straight = FlowSchedule(1000)  # it counts t = 0..999; in this chapter t runs from 0, the picture, to 1, the noise


def at(t):
    """The noise level of the straight path at t: alpha = 1 - t, sigma = t."""
    return straight.level(1000 * t - 1)


def draw_data(count, clouds=CLOUDS):
    """Points of some clouds, (count, D)."""
    which = rng.choice(len(clouds.means), size=count, p=clouds.weights)
    return clouds.means[which] + clouds.deviation * rng.standard_normal((count, clouds.means.shape[1]))


# %% [markdown]
# ## A straight path
#
# Take a picture $x_0$ and noise $\varepsilon$, and go from one to the other at an even pace (Liu et al. 2023, eq. 1):
#
# $$x_t = (1 - t)\, x_0 + t\, \varepsilon, \qquad \frac{dx_t}{dt} = \varepsilon - x_0$$
#
# The velocity is the same all along the path. Whoever knows it is back at the picture in a single step: $x_0 = x_t - t
# (\varepsilon - x_0)$. Drawing would be done.

# %%
x_0, noise = draw_data(5), rng.standard_normal((5, 2))
t = np.array([0.1, 0.3, 0.5, 0.9, 1.0])
x_t, velocity = mine("19.1")(x_0, noise, t)  # yours, once it is written
assert np.allclose(x_t - t[:, None] * velocity, x_0)
assert np.allclose(velocity, target("velocity", x_0, noise, 0.6, 0.4))
print("one step along the true velocity, from any t, ends at x_0")

# %% [markdown]
# ## Paths cross
#
# The catch: the network is shown $x_t$, and not the pair that it was made of. We look at the smallest world again,
# pictures of a single number near -1 or near +1. Left, 60 straight paths, each between a random number of noise and a
# random picture. They cross all over. In the middle, those that pass near one place, $x = 0.2$ at $t = 0.5$. They come
# from different noises, and lead to different pictures. Asked for *the* velocity at that place, what should one say?
#
# You should see two bundles, and in red their mean, which is no path of either.

# %%
two = Clouds(np.array([[-1.0], [1.0]]), np.array([0.5, 0.5]), 0.1)
X_0, NOISE = draw_data(400_000, two), rng.standard_normal((400_000, 1))
X_HALF, VELOCITY = 0.5 * X_0 + 0.5 * NOISE, NOISE - X_0
passing = abs(X_HALF[:, 0] - 0.2) < 0.02


def velocity_at(x, t, clouds=CLOUDS):
    """The best answer at x: the mean velocity of all paths that pass there at t."""
    x_0, noise = clouds.denoise(x, at(t))
    return noise - x_0


measured, known = VELOCITY[passing].mean(), float(velocity_at(np.array([[0.2]]), 0.5, two)[0, 0])
print(f"{passing.sum():,} of 400,000 paths pass at x = 0.2: mean velocity {measured:.2f}, by formula {known:.2f}")
assert abs(measured - known) < 0.05

starts = NOISE[:60]
curves = walk("heun", make_levels(straight, 200), starts, two).paths[:, :, 0]
figure = Figure(figsize=(11, 3.7), dpi=110, layout="constrained")
lines, bundle, bent = figure.subplots(1, 3, sharey=True)
for panel, those in ((lines, slice(60)), (bundle, np.flatnonzero(passing)[:40])):
    for start, end in zip(NOISE[those, 0], X_0[those, 0], strict=True):
        panel.plot([1, 0], [start, end], color="tab:blue" if end > 0 else "tab:orange", linewidth=1)
bundle.plot([0.7, 0.3], [0.2 + 0.2 * known, 0.2 - 0.2 * known], color="tab:red", linewidth=3)
for curve in curves.T:
    bent.plot(np.linspace(1, 0, len(curve)), curve, color="tab:blue" if curve[-1] > 0 else "tab:orange", linewidth=1)
for panel, title in ((lines, "straight paths"), (bundle, "those near one place"), (bent, "along the mean velocity")):
    panel.set(xlim=(1, 0), ylim=(-2.6, 2.6), xlabel="t: noise left, picture right", title=title)
show(figure, "19_crossing")

# %% [markdown]
# ## The mean is learned
#
# We train a network $u(x_t, t)$ on single pairs: the loss is the mean of $|u - V|^2$, with $V = \varepsilon - x_0$.
# Look at one place x at one time t, and at all pairs that pass there. Call their mean velocity $m(x, t) = E[V \mid x_t
# = x]$, and write
#
# $$u - V = (u - m) + (m - V), \qquad |u - V|^2 = |u - m|^2 + 2 (u - m) \cdot (m - V) + |m - V|^2$$
#
# Now average over the pairs that pass at x. They share $u - m$, for u and m depend on the place and the time alone. And
# $m - V$ is zero on average: m *is* the mean of V. So the term in the middle vanishes, at each place, and everywhere
#
# $$E |u - V|^2 = E |u - m|^2 + E |m - V|^2$$
#
# The last term does not know u. So training on $\varepsilon - x_0$, of pairs that anybody can draw, has the gradients
# of training on m, which nobody can compute (Lipman et al. 2023, theorem 2, where they call the two "conditional" and
# "marginal"). It also says that a flow's loss does not go to 0: a perfect network is left with $E |m - V|^2$, how much
# the paths disagree where they cross.
#
# You should see both sides agree, for two answers u that are wrong.

# %%
best = velocity_at(X_HALF, 0.5, two)
disagreement = ((best - VELOCITY) ** 2).mean()
for name, answer in (("u = 0", 0 * X_HALF), ("u = 2 x", 2 * X_HALF), ("u = m", best)):
    loss, excess = ((answer - VELOCITY) ** 2).mean(), ((answer - best) ** 2).mean()
    print(f"{name:8} loss {loss:.3f} = {excess:.3f} from m + {disagreement:.3f} of disagreement")
    assert abs(loss - excess - disagreement) < 0.02

# %% [markdown]
# ## The mean is enough
#
# But may one draw along the mean? No single path goes that way (the red line above). Think of a crowd of dots, each on
# its own straight path, and of a ring laid into the plane. The number of dots in it changes only by those that pass the
# ring itself. Through a little piece of it pass, in a short time, density times *mean* velocity: the fast and the slow
# ones there count together. So give every dot, at every moment, the mean velocity of those at its place. No ring
# notices, wherever it lies: as many dots pass as before. In letters, with p for the density,
#
# $$\frac{\partial p}{\partial t} + \frac{\partial (p\, m_1)}{\partial x_1} +
# \frac{\partial (p\, m_2)}{\partial x_2} = 0$$
#
# the **continuity equation**. The crowd looks the same at every time, though each dot goes another way. At t = 0 it is
# a crowd of pictures, and that is all that we want.
#
# You should see the same clouds in both rows, and as many dots in the ring. The colours tell where a dot ends: above
# they are mixed to the last moment; below each colour has a territory, from the beginning.

# %%
ring = 0.8 * np.array([np.cos(np.linspace(0, 7, 99)), np.sin(np.linspace(0, 7, 99))]) + [[-0.8], [0.3]]
crowd = {"x_0": draw_data(4000), "noise": rng.standard_normal((4000, 2))}
moved = walk("heun", make_levels(straight, 100), crowd["noise"]).paths
figure = Figure(figsize=(11, 4.7), dpi=110, layout="constrained")
panels, times = figure.subplots(2, 5, sharex=True, sharey=True), (1.0, 0.75, 0.5, 0.25, 0.0)


def coloured(ends):
    """By the nearest cloud."""
    nearest = np.linalg.norm(ends[:, None] - CLOUDS.means, axis=2).argmin(axis=1)
    return np.array(["tab:blue", "tab:orange", "tab:green"])[nearest]


for column, t in enumerate(times):
    rows = ((1 - t) * crowd["x_0"] + t * crowd["noise"], crowd["x_0"]), (moved[round(100 * (1 - t))], moved[-1])
    counts = [(np.linalg.norm(dots - [-0.8, 0.3], axis=1) < 0.8).sum() for dots, _ in rows]
    for panel, (dots, ends), count in zip(panels[:, column], rows, counts, strict=True):
        panel.scatter(*dots[:1500].T, s=2, c=coloured(ends[:1500]), linewidths=0)
        panel.plot(*ring, color="0.3", linewidth=1)
        panel.set(xlim=(-3, 3), ylim=(-3, 3), xticks=(), yticks=(), aspect="equal")
        panel.set_title(f"t = {t:g}: {count} in the ring", fontsize=10)
    assert abs(counts[0] - counts[1]) < 4 * np.sqrt(sum(counts) + 1)
panels[0, 0].set_ylabel("on straight paths")
panels[1, 0].set_ylabel("along the mean velocity")
show(figure, "19_dots")

# %% [markdown]
# ## So they bend
#
# At each place and time there is one mean velocity, so two dots that met would go on together for ever, and, run
# backwards, would have come together. Dots of the mean never cross. Where straight paths cross, the dots of the mean
# turn aside and exchange their partners: look at the colours, and at the right panel of the first picture. In one
# dimension, not to cross means to keep the order.
#
# That is why they bend, **though each pair's path is straight**. And where do they begin? At t = 1 nothing is seen of
# the picture, so the mean over all pairs is $m = \varepsilon - E[x_0]$: every dot sets out for the mean of all
# pictures. Whoever takes one single step arrives there, and draws the mean. Flow matching alone is no one-step method.

# %%
order = starts[:, 0].argsort()
assert all((curve[order][1:] > curve[order][:-1]).all() for curve in curves)
assert (np.diff(X_0[:60, 0][order]) < 0).any()  # the straight paths' ends are in another order than their starts
mean = CLOUDS.weights @ CLOUDS.means
first_step = crowd["noise"] - velocity_at(crowd["noise"], 1.0)
print(f"the mean of the data is {mean.round(2)}; one step ends at {first_step[0].round(2)}, for every dot")
assert np.allclose(first_step, mean)

# %% [markdown]
# ## Two rows of one table
#
# Chapters 9 and 10 had $x_t = \alpha x_0 + \sigma \varepsilon$ as well. Only the numbers differ:
#
# | | $\alpha$ | $\sigma$ | the network says | which is |
# |---|---|---|---|---|
# | diffusion, cosine | $\cos\varphi$ | $\sin\varphi$ | $v = \alpha\varepsilon - \sigma x_0$ | $dx / d\varphi$ |
# | flow matching | $1 - t$ | $t$ | $\varepsilon - x_0$ | $dx / dt$ |
#
# Differentiate $\cos\varphi\; x_0 + \sin\varphi\; \varepsilon$: v is a velocity, too, on the quarter circle. Any such
# answer $a x_0 + b \varepsilon$ is, with $x_t$, two equations for $x_0$ and $\varepsilon$, and from these follow all
# other answers. Even the place moves over: $x_t / (\alpha + \sigma)$ lies on the straight path, at $t = \sigma /
# (\alpha + \sigma)$, for the two factors add up to 1 then.

# %%
source(x_0_and_noise)
x_0, noise = rng.standard_normal((2, 3, 4, 4, 1))
alpha, sigma = 0.8, 0.6
t, x, velocity = mine("19.2")(alpha * x_0 + sigma * noise, target("v", x_0, noise, alpha, sigma), alpha, sigma)
assert np.isclose(t, 3 / 7) and np.allclose(x, (1 - t) * x_0 + t * noise) and np.allclose(velocity, noise - x_0)

# %% [markdown]
# And the way that a dot goes? Scale the cosine's crowd by $1 / (\alpha + \sigma)$ and it *is* the straight path's. Both
# have the same dots, on the same curves. The line between a picture and its noise is straight or round; where the mean
# leads is not altered by it.
#
# Not even the samplers differ. With $\alpha = 1 - t$, DDIM's step is
#
# $$x' = (1 - t')\, x_0 + t' \varepsilon = x_t + (t' - t)(\varepsilon - x_0)$$
#
# Euler's step along the velocity. A sampler asks for noise levels $(t, \alpha, \sigma)$ and for $x_0$ and
# $\varepsilon$, and so it serves every row of the table. What differs is at *which* levels it stops: n even steps in t,
# or in $\varphi$. You should see that even these are nearly the same.

# %%
cosine = make_schedule("cosine")
dots = crowd["noise"][:100]
round_way = walk("heun", make_levels(cosine, 200), dots).paths[-1]
straight_way = walk("heun", make_levels(straight, 200), dots).paths[-1]
print(f"ends along the circle and along the line: apart by {np.median(abs(round_way - straight_way)):.4f}")
assert np.median(abs(round_way - straight_way)) < 2e-3
by_hand = {
    "euler": mine("19.3")(velocity_at, dots, 8),
    "ddim": mine("19.3")(velocity_at, dots, 8),
    "heun": mine("19.4")(velocity_at, dots, np.linspace(1, 0, 9)),
}
for sampler, ends in by_hand.items():
    assert np.allclose(walk(sampler, make_levels(straight, 8), dots).paths[-1], ends)
for name, schedule in (("flow", straight), ("cosine", cosine)):
    stops = [level.sigma / (level.alpha + level.sigma) for level in make_levels(schedule, 8)]
    print(f"{name:6} stops at t =", *(f"{stop:.2f}" for stop in stops))

# %% [markdown]
# Now with the network that comes with minisd. It was trained for v on the cosine. We ask it for the velocity of the
# straight path: look up where on its own path there is as much noise, scale x to lie there, and convert its answer.
#
# You should see the same digits in all rows, drawn along the circle or along the line: it is one network.

# %%
pipeline = Pipeline.load()
digits = ["a zero", "a two", "a three", "a five", "a seven", "an eight"]
prompts, nothing = pipeline.encode_prompts(digits), pipeline.encode_prompts([""] * len(digits))
guidance = pipeline.info.guidance, pipeline.info.guidance_interval
model = ClassifierFreeGuidance(pipeline.predict, prompts, nothing, *guidance)
z_T = initial_noise(pipeline.latent_shape, sample_rngs(3, len(digits)))


def denoise_anywhere(z, level):
    """x_0 and noise, of latents on whatever path."""
    own = pipeline.schedule.level_of(level.ratio) if level.alpha > 0 else pipeline.schedule.level(999)
    z = z * ((own.alpha + own.sigma) / (level.alpha + level.sigma))
    predicted = model(z, np.full(len(z), own.t))
    return x_0_and_noise(pipeline.info.prediction, predicted, z, own.alpha, own.sigma)


rows = {}
for steps in (4, 16):
    for name, schedule in (("circle", pipeline.schedule), ("line", straight)):
        *_, (z, _) = SAMPLERS["euler"](denoise_anywhere, z_T, make_levels(schedule, steps), None)
        rows[f"{name}, {steps} steps"] = pipeline.decode(z)
show_rows(rows, "19_two_ways", headings=digits)
off = {n: abs(rows[f"line, {n} steps"].astype(float) - rows[f"circle, {n} steps"]).mean() for n in (4, 16)}
print(f"mean difference of a pixel, of 255: {off[4]:.1f} in 4 steps, {off[16]:.1f} in 16")
assert off[16] < off[4] and off[16] < 8

# %% [markdown]
# ## What is left to choose: which times
#
# So is it all the same? The perfect network is. A trained one errs, and an objective says where it may. Put all losses
# into one currency, the error of $x_0$ that lies in an answer, $\Delta x_0$. On the straight path $\varepsilon - x_0 =
# (x_t - x_0) / t$, and $x_t$ is given; on the circle $v = (\alpha x_t - x_0) / \sigma$. So the losses are
#
# $$\frac{|\Delta x_0|^2}{t^2} \quad (\text{flow}), \qquad \frac{|\Delta x_0|^2}{\sigma^2} \quad (v), \qquad
# \frac{\alpha^2}{\sigma^2} |\Delta x_0|^2 \quad (\text{noise})$$
#
# and each is averaged over the times that the training draws. To compare, use one clock, $\lambda = \ln(\alpha /
# \sigma)$. With t uniform and $t = 1 / (1 + e^\lambda)$, a piece $d\lambda$ gets $t (1 - t)\, d\lambda$ of the draws,
# and with the loss's own $1 / t^2$ the weight is $(1 - t) / t = e^\lambda$. On the circle $\tan\varphi = e^{-\lambda}$,
# so $d\lambda$ gets $\frac{2}{\pi} \sin\varphi \cos\varphi\, d\lambda$, and with $1 / \sin^2\varphi$ the weight is
# $\frac{2}{\pi} \cot\varphi = \frac{2}{\pi} e^\lambda$. **The same**, but for a factor that a learning rate takes up:
# v on the cosine schedule and flow with uniform times are one training (Kingma & Gao 2023). The noise's is $\alpha^2$
# times that, $x_0$'s $\sigma^2$ times.
#
# Where would one want more? Near t = 1 the answer is the mean of the data, near t = 0 that of the noise: easy. What a
# picture shows is decided between. Esser et al. (2024) draw $\mathrm{logit}\, t = \ln \frac{t}{1 - t}$ from $N(\mu,
# s^2)$. More draws of some t are nothing but a weight on them, the density:
#
# $$E_{t \sim \pi}[\mathrm{loss}(t)] = \int_0^1 \pi(t)\, \mathrm{loss}(t)\, dt, \qquad
# \pi(t) = \frac{1}{s \sqrt{2\pi}}\, \frac{1}{t (1 - t)}\, e^{-(\mathrm{logit}\, t - \mu)^2 / 2 s^2}$$
#
# (The derivative of the logit, $\frac{1}{t (1 - t)}$, is there since we count per t and not per logit.)
#
# You should see, in units of flow's uniform times: v a flat line, noise and $x_0$ each forgetting one end, logit-normal
# times both ends. Dots are counted from 100,000 times that the library draws, lines are the formulas. (The
# leftmost dot of v and noise is low since the library's cosine begins a little to the right of 0: its s of chapter 9.)

# %%
print(OBJECTIVES["flow"])
source(logit_normal)
normal = rng.standard_normal(100_000)
t, density = mine("19.5")(normal, 0.0, 1.0)
assert np.allclose(np.quantile(t, [0.1, 0.5, 0.9]), logit_normal(np.array([0.1, 0.5, 0.9])), atol=0.01)

trained = {
    "flow, logit-normal": (OBJECTIVES["flow"], "tab:red"),
    "v on the cosine": (OBJECTIVES["v"], "tab:blue"),
    "noise on the cosine": (Objective("cosine", "noise"), "tab:green"),
    "$x_0$ on the cosine": (Objective("cosine", "x_0"), "tab:orange"),
}
places = (np.arange(25) + 0.5) / 25
kept = (1 - places) ** 2 / ((1 - places) ** 2 + places**2)  # alpha^2 of the cosine, where the straight path is at t
lines = {
    "flow, logit-normal": np.interp(places, *(part[t.argsort()] for part in (t, density))),
    "v on the cosine": np.ones(25),
    "noise on the cosine": kept,
    "$x_0$ on the cosine": 1 - kept,
}
figure = Figure(figsize=(8, 3.8), dpi=110, layout="constrained")
panel = figure.subplots()
for name, (objective, colour) in trained.items():
    schedule = make_schedule(objective.schedule)
    drawn = objective.draw_times(100_000, 1000, rng)
    alpha, sigma = schedule.alpha[drawn], schedule.sigma[drawn]
    a, b = mixture(objective.prediction, alpha, sigma)
    place = sigma / (alpha + sigma)
    weight = ((alpha * b - sigma * a) / sigma * place) ** 2  # of x_0's squared error, beside flow's 1 / t^2
    counted = np.histogram(place, 25, (0, 1), weights=weight)[0] / len(drawn) * 25
    counted *= 1 if objective.schedule == "flow" else np.pi / 2
    panel.plot(places, counted, "o", color=colour, markersize=4)
    panel.plot(places, lines[name], color=colour, linewidth=1.5, label=name)
    assert np.abs(counted - lines[name])[1:-1].max() < 0.08
panel.set(
    xlabel="t of the straight path: picture left, noise right", ylabel="weight, beside uniform flow's", ylim=(0, 2)
)
panel.legend(frameon=False, ncols=2, loc="upper center")
show(figure, "19_weights")

# %% [markdown]
# ## Three objectives, one network
#
# Time to train, in the plane. A small network, told x and t; the same one, from the same start, for each objective, in
# as many steps.


# %%
class Plane(Module):
    """(x_t, t) -> what the objective wants, (B, 2); a sampler asks it by `denoise`."""

    def __init__(self, objective, width=96):
        rng, sizes = np.random.default_rng(0), (2 + 8, width, width, width, 2)
        self.layers = [Linear(*pair, rng=rng) for pair in pairwise(sizes)]
        self.objective, self.schedule = objective, make_schedule(objective.schedule)

    def forward(self, x_t, t):
        waves = np.cos(np.pi * (t[:, None] + 1) / 1000 * np.arange(1, 9))
        hidden = Tensor(np.concatenate([x_t, waves], axis=1).astype(np.float32))
        for layer in self.layers[:-1]:
            hidden = ops.silu(layer(hidden))
        return self.layers[-1](hidden)

    def denoise(self, x_t, level):
        with no_grad():
            predicted = self(x_t, np.full(len(x_t), level.t)).data
        return x_0_and_noise(self.objective.prediction, predicted, x_t, level.alpha, level.sigma)


def train(objective, new_pairs, steps=2000, B=256):
    """A network trained on the pairs (x_0, noise) that new_pairs(B) gives."""
    network = Plane(objective)
    optimizer = AdamW(network)
    for n in range(steps):
        x_0, noise = new_pairs(B)
        t = objective.draw_times(B, 1000, rng)
        x_t, wanted = objective.noised(x_0, noise, t, network.schedule)
        ops.mean_squared_error(network(x_t, t), Tensor(wanted.astype(np.float32))).backward()
        optimizer.step(warmup_cosine(n, steps, peak=0.004, warmup=20), largest_norm=1.0)
    return network


def any_pairs(B):
    """Data and noise that know nothing of each other."""
    return draw_data(B), rng.standard_normal((B, 2))


networks = {name: train(OBJECTIVES[name], any_pairs) for name in ("noise", "v", "flow")}

# %% [markdown]
# First the loss. By the derivation it must stop at the disagreement of the paths, and that we know here.
#
# You should see a network that is nearly perfect, with a loss that is far from 0.

# %%
loss, floor = [], []
for t in (np.arange(20) + 0.5) / 20:
    x_0, noise = any_pairs(1000)
    x_t = (1 - t) * x_0 + t * noise
    own_x_0, own_noise = networks["flow"].denoise(x_t, at(t))
    loss.append(((own_noise - own_x_0 - (noise - x_0)) ** 2).mean())
    floor.append(((velocity_at(x_t, t) - (noise - x_0)) ** 2).mean())
print(f"loss {np.mean(loss):.3f}; of the perfect answer {np.mean(floor):.3f}")
print("the paths' disagreement from t = 0.025 to 0.975:", *(f"{value:.1f}" for value in floor[::3]))
assert 1 < np.mean(floor) < np.mean(loss) < 1.05 * np.mean(floor)

# %% [markdown]
# Now draw, with 1 to 16 questions to the network. How good is a crowd of points? Measure distances between points: if
# the drawn and the true ones are one crowd, those between the two crowds are as long as those within each. The
# **energy distance** is the difference,
#
# $$2\, E|a - b| - E|a - a'| - E|b - b'| \;\ge\; 0$$
#
# You should see on the left that one question yields no picture in any row: dots near the mean of the data, as
# foretold. v's lie closest to it. Flow's are scattered, for logit-normal times hardly train t = 1. Noise's are, for
# $x_0 = (x_t - \sigma \varepsilon) / \alpha$ magnifies an error 15 times there. (Their distance is less, and that is no
# merit: by error some dots come near a cloud.) With 2 to 8 questions v and flow are alike, as foretold, too, and the
# noise lags behind: on the schedule of Stable Diffusion 1.x even steps in t linger where there is much noise, and the
# last one is long.


# %%
def apart(a, b):
    """The energy distance of two crowds."""

    def mean_distance(p, q):
        return np.sqrt(((p[:, None] - q) ** 2).sum(axis=2)).mean()

    return float(2 * mean_distance(a, b) - mean_distance(a, a) - mean_distance(b, b))


truth, other, start = draw_data(1000), draw_data(1000), rng.standard_normal((1000, 2))
limit = abs(apart(truth, other))
evaluations = [1, 2, 4, 8, 16]
far, drawn = {}, {}
for name, network in networks.items():
    for count in evaluations:
        drawn[name, count] = walk("euler", make_levels(network.schedule, count), start, network).paths[-1]
        far[name, count] = apart(drawn[name, count], truth)
for steps in (2, 4, 8):
    walked = walk("heun", make_levels(straight, steps), start, networks["flow"])
    far["flow, Heun", walked.calls] = apart(walked.paths[-1], truth)
for name in ("noise", "v", "flow", "flow, Heun"):
    print(f"{name:10}", "  ".join(f"{count:2}: {value:.4f}" for (of, count), value in far.items() if of == name))
print(f"between two crowds of true points: {limit:.4f}")
assert all(np.linalg.norm(drawn[name, 1] - mean, axis=1).mean() < 0.6 for name in ("v", "flow"))
assert all(far["noise", n] > max(far["v", n], far["flow", n]) for n in (2, 4, 8))
assert all(0.6 < far["v", n] / far["flow", n] < 1.6 for n in (1, 2, 4))
assert far["flow", 1] > 5 * far["flow", 2] > 5 * far["flow", 4] and far["flow, Heun", 15] < far["flow", 8]


def show_crowds(panel, points, title):
    panel.scatter(*truth[:500].T, s=3, color="0.8", linewidths=0)
    panel.scatter(*points[:500].T, s=3, color="tab:blue", linewidths=0)
    panel.set(xlim=(-2.7, 2.7), ylim=(-2.7, 2.7), xticks=(), yticks=(), aspect="equal")
    panel.set_title(title, fontsize=10)


figure = Figure(figsize=(11, 6.6), dpi=100, layout="constrained")
panels = figure.subplots(3, 5)
for row, name in zip(panels, networks, strict=True):
    row[0].set_ylabel(name, fontsize=12)
    for panel, count in zip(row, evaluations, strict=True):
        show_crowds(panel, drawn[name, count], f"{count} asked: {far[name, count]:.3f}")
show(figure, "19_evaluations")

# %% [markdown]
# ## Straighter: reflow
#
# The paths bend because straight ones cross, and these cross because pictures and noise were paired blindly. Now that
# we have a flow, we can pair better: draw from many noises, and keep each noise **with the picture that came of it**.
# Dots of the mean do not cross, and so the straight lines between these pairs hardly cross either. Train on the pairs,
# in all else as before: that is **reflow** (Liu et al. 2023). With less disagreement at each place the mean is close to
# each path, and the flow close to straight lines.
#
# How straight is a path? Compare its velocity with the one that a straight line between its ends would have,
#
# $$S = \int_0^1 E \left| (x_1 - x_0) - \frac{dx_t}{dt} \right|^2 dt$$
#
# (Liu et al. call it $S(Z)$.) 0 is straight. For steps of lengths $|t_{k+1} - t_k|$ the integral is a sum, each step's
# velocity $\Delta x / \Delta t$ weighted by its length.
#
# You should see paths that have become nearly straight, and one question that now draws all three clouds.

# %%
noises = rng.standard_normal((4000, 2))
pictures = walk("heun", make_levels(straight, 16), noises, networks["flow"]).paths[-1]


def own_pairs(B):
    """A noise, and what the first flow drew from it."""
    chosen = rng.integers(len(noises), size=B)
    return pictures[chosen], noises[chosen]


networks["reflow"] = train(Objective("flow", "velocity"), own_pairs)
figure = Figure(figsize=(11, 6.4), dpi=100, layout="constrained")
panels, bends = figure.subplots(2, 4), {}
for row, name in zip(panels, ("flow", "reflow"), strict=True):
    paths = walk("euler", make_levels(straight, 50), start, networks[name]).paths
    bends[name] = mine("19.7")(paths, np.linspace(1, 0, 51))
    row[0].plot(*paths[:, :60].transpose(2, 0, 1), color="tab:red", linewidth=0.7)
    row[0].set_ylabel(name, fontsize=12)
    show_crowds(row[0], paths[-1], f"paths: S = {bends[name]:.3f}")
    for panel, count in zip(row[1:], (1, 2, 4), strict=True):
        drawn[name, count] = walk("euler", make_levels(straight, count), start, networks[name]).paths[-1]
        far[name, count] = apart(drawn[name, count], truth)
        show_crowds(panel, drawn[name, count], f"{count} asked: {far[name, count]:.3f}")
show(figure, "19_reflow")
lengths = {"blind": ((draw_data(4000) - noises) ** 2).sum(1).mean(), "reflow": ((pictures - noises) ** 2).sum(1).mean()}
print("bent:", {name: round(value, 3) for name, value in bends.items()})
print("mean squared length of the lines:", {name: round(value, 2) for name, value in lengths.items()})
assert bends["reflow"] < bends["flow"] / 5 and lengths["reflow"] < lengths["blind"]
assert far["reflow", 1] < far["flow", 1] / 10

# %% [markdown]
# The lines have become shorter, too: where paths exchange their partners at a crossing, the new lines cut the corner,
# so a new pairing is never longer (Liu et al. 2023 prove it). It is not free. 4,000 pairs took 31 questions each before
# the second training could begin, and what the first flow drew badly is now the truth: reflow makes a fast flow, not a
# better one.
#
# ## On digits
#
# What does all this come to with real networks? Here the same U-Net was trained on the digits' latents for the same
# time by each objective, and measured as in chapter 11: how many of the test digits' prompts the judge reads as asked,
# and the Frechet distance, both by questions to the network (`minisd train --objective flow`, then `minisd eval --table
# --model ... --model ...`).
#
# Before you look: what do you expect of v and flow, whose trainings differ by the logit-normal times alone? Of one
# question, of any of them? Of the noise with few?

# %%
# THE DIGITS' TABLE: (objective, sampler, {questions: (accuracy, Frechet distance)}), a line each.
DIGITS = ()

for objective, sampler, by_questions in DIGITS:
    cells = (f"{asked:3}: {accuracy:6.1%} {frechet:6.2f}" for asked, (accuracy, frechet) in by_questions.items())
    print(f"{objective:6} {sampler:12}", "  ".join(cells))

# %% [markdown]
# So what is flow matching? A straight line to train on and a plain story: pairs, their mean velocity, a crowd that does
# not notice. It needs no schedule to be tuned, ends in pure noise, and can be made straight by reflow. What it is not
# is another kind of model.

# %% [markdown]
# ## Exercises
#
# 19.1 is the straight path with its velocity, 19.2 moves v from the circle to the line. 19.3 and 19.4 draw along a
# flow, by Euler's and by Heun's method. 19.5 are logit-normal times and their weight, 19.6 the velocity of Gaussian
# data, 19.7 measures how straight a path is, and 19.8 makes a batch for reflow. 19.9 to 19.11 want a number: the first
# velocity, where two paths cross, when reflow has paid. In a shell: `minisd course check 19.1`; here: `check("19.1",
# straight_path)`.
#
# ## Try
#
# 1. Where on the straight path is as much noise as on the circle at $\alpha = 0.6$, $\sigma = 0.8$? Answer: at $t =
#    0.8 / 1.4 = 0.571$.
# 2. Reflow once more, from the second flow's pairs. Does S fall again, and does the energy distance at 4 questions?
# 3. Train with `Objective("flow", "velocity")`, uniform times. Whose row does it resemble? Answer: v's, by the weights.

# %%
assert round(0.8 / 1.4, 3) == 0.571
