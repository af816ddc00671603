# %% [markdown]
# # 10. Drawing: from noise back to a picture
#
# A trained network says what the noise in a picture is. That is not yet a drawing. This chapter takes the steps back:
# DDPM's, with fresh noise in each; DDIM's, with none; how many one needs; and then guidance, which makes the prompt
# count, with what it costs.
#
# You need chapter 9 (noise). It takes about 20 seconds.

# %%
import math
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure

from minisd.course import mine, show, show_rows, source
from minisd.data.morphology import thickness
from minisd.diffusion.guidance import ClassifierFreeGuidance, guided
from minisd.diffusion.samplers import SAMPLERS, initial_noise, sample, sample_rngs
from minisd.diffusion.samplers.ddim import ddim_step
from minisd.diffusion.samplers.ddpm import ddpm_step
from minisd.diffusion.schedule import NoiseLevel, make_schedule
from minisd.diffusion.spacing import make_levels
from minisd.evaluation import Judge
from minisd.pipeline import Pipeline

rng = np.random.default_rng(0)

# %% [markdown]
# ## One step back, if one knew the picture
#
# Suppose someone tells us $x_0$. Where was $x_{t-1}$, from which $x_t$ came? Two things are known of it. It was made
# from $x_0$, and $x_t$ was made from it:
#
# $$x_{t-1} \sim N(\sqrt{\bar\alpha_{t-1}}\, x_0,\ 1 - \bar\alpha_{t-1}), \qquad x_t \sim N(\sqrt{\alpha_t}\, x_{t-1},\
# \beta_t)$$
#
# with $\alpha_t = 1 - \beta_t$. By Bayes' rule the density of $x_{t-1}$ given both is the product of the two, up to a
# factor. Both are $e$ to a quadratic function of $x_{t-1}$, so the product is, too: a normal distribution again. Its
# precision (1 / variance) is what stands before $-x_{t-1}^2 / 2$, and there the two simply add up:
#
# $$\frac{1}{\tilde\beta_t} = \frac{\alpha_t}{\beta_t} + \frac{1}{1 - \bar\alpha_{t-1}} \qquad\Rightarrow\qquad
# \tilde\beta_t = \frac{1 - \bar\alpha_{t-1}}{1 - \bar\alpha_t}\, \beta_t$$
#
# since $\alpha_t (1 - \bar\alpha_{t-1}) + \beta_t = 1 - \bar\alpha_t$. What stands before $x_{t-1}$ is the mean over
# the variance:
#
# $$\tilde\mu = \tilde\beta_t \left(\frac{\sqrt{\alpha_t}}{\beta_t}\, x_t + \frac{\sqrt{\bar\alpha_{t-1}}}{1 -
# \bar\alpha_{t-1}}\, x_0\right) = \frac{\sqrt{\alpha_t}\, (1 - \bar\alpha_{t-1})}{1 - \bar\alpha_t}\, x_t +
# \frac{\sqrt{\bar\alpha_{t-1}}\, \beta_t}{1 - \bar\alpha_t}\, x_0$$
#
# These are equations 6 and 7 of Ho et al. (2020). We believe them when we see them. So we make 400,000 pairs
# $(x_{t-1}, x_t)$ from one $x_0$, keep those whose $x_t$ happens to lie near 0.5, and look where these came from.

# %%
alpha_bar_prev, beta, x_0 = 0.7, 0.3, 1.5
alpha_bar = alpha_bar_prev * (1 - beta)
level, level_prev = (NoiseLevel(0, math.sqrt(a), math.sqrt(1 - a)) for a in (alpha_bar, alpha_bar_prev))
x_prev = math.sqrt(alpha_bar_prev) * x_0 + math.sqrt(1 - alpha_bar_prev) * rng.standard_normal(400_000)
x_t = math.sqrt(1 - beta) * x_prev + math.sqrt(beta) * rng.standard_normal(400_000)
came_from = x_prev[abs(x_t - 0.5) < 0.02]

mean = ddpm_step(np.array(0.5), np.array(x_0), np.array(0.0), level, level_prev)
spread = ddpm_step(np.array(0.5), np.array(x_0), np.array(1.0), level, level_prev) - mean
print(f"{len(came_from)} pairs; mean {came_from.mean():.3f}, by the formula {mean:.3f}")
print(f"standard deviation {came_from.std():.3f}, by the formula {spread:.3f}")
assert abs(came_from.mean() - mean) < 0.02 and abs(came_from.std() - spread) < 0.02

# %% [markdown]
# Nobody tells us $x_0$, of course. DDPM takes the network's guess in its place, and draws from this distribution. That
# is one step of ancestral sampling. The library writes $\alpha$ for $\sqrt{\bar\alpha_t}$ and $\sigma$ for $\sqrt{1 -
# \bar\alpha_t}$, so that $x_t = \alpha x_0 + \sigma \varepsilon$; the two and their t are a noise level.

# %%
source(ddpm_step)

# %% [markdown]
# A sampler may leave out times. A step from t to any earlier one is one step of a shorter chain, and all equations hold
# as they stand. So below $\alpha'$ and $\sigma'$ belong to the level that a step goes to.
#
# ## DDIM: a whole family of steps
#
# The training never saw the chain. It only saw pictures with noise, $x_t = \alpha x_0 + \sigma \varepsilon$. So any way
# back is as good, as long as each $x_t$ on the way looks like that (Song et al.
# 2021). Take the predicted $x_0$ and the predicted noise apart, and mix them again for the next time; in place of a
# part of the old noise, take some that is fresh:
#
# $$x' = \alpha' x_0 + \sqrt{\sigma'^2 - s^2}\, \varepsilon + s\, z, \qquad z \sim N(0, 1)$$
#
# Old and fresh noise are independent, so their variances add up to $(\sigma'^2 - s^2) + s^2 = \sigma'^2$, as it should
# be, **for every s**. Two members of the family have names. With $s^2 = \tilde\beta$ it is DDPM. With $s =
# 0$ nothing is random: the picture is a function of the first noise. That is DDIM.

# %%
source(ddim_step)
x_t, x_0, z = rng.standard_normal((3, 4, 4))
noise = (x_t - level.alpha * x_0) / level.sigma
assert np.allclose(ddim_step(x_0, noise, z, level, level_prev, eta=1.0), ddpm_step(x_t, x_0, z, level, level_prev))
print("with eta = 1 DDIM's step is DDPM's")

# %% [markdown]
# ## Where the answer is known
#
# How good is a sampler? With a network one never knows who is to blame. But if the data are normally distributed, with
# mean $\mu$ and variance $s^2$, the best guess needs no network. $x_0$ and $x_t$ are then normal together, and
#
# $$E[x_0 | x_t] = \mu + \frac{\text{Cov}(x_0, x_t)}{\text{Var}(x_t)}\, (x_t - E[x_t]) = \mu + \frac{\alpha
# s^2}{\alpha^2 s^2 + \sigma^2}\, (x_t - \alpha \mu)$$
#
# The way of DDIM with infinitely many steps is known as well: it keeps each point's place in the distribution, so a
# point that is $z$ standard deviations above the mean stays that,
#
# $$x_t = \alpha \mu + \sqrt{\alpha^2 s^2 + \sigma^2}\; z$$
#
# So the error of every sampler can be measured. We walk from t = 900 to t = 100 in ever more steps. DDIM holds $x_0$
# fixed during a step, which is wrong by the square of the step's length; there are 1 / length steps, and so twice the
# steps should leave half the error. DPM-Solver++(2M) draws a line through the last two guesses, at the same price, and
# should leave a quarter. It is not in this chapter: you write it, exercise 10.6. Until then the curve is the
# library's answer.
#
# You should see two lines in the double logarithmic picture, one with the slope -1 and one that reaches -2.

# %%
schedule, mu, s = make_schedule("cosine"), 0.5, 0.5
z = rng.standard_normal((1, 20, 20, 1))


def exact(level):
    return level.alpha * mu + math.hypot(level.alpha * s, level.sigma) * z


best_guess = mine("10.5")


def denoise(x_t, level):
    x_0 = best_guess(x_t, level.alpha**2, mu, s**2)
    return x_0, (x_t - level.alpha * x_0) / level.sigma


def error(sampler, steps):
    levels = [schedule.level(900 - 800 // steps * i) for i in range(steps + 1)]
    *_, (x, _) = sampler(denoise, exact(levels[0]), levels, lambda: 0.0)
    return math.sqrt(((x - exact(levels[-1])) ** 2).mean())


counts = [10, 20, 40, 80, 160]
errors = {
    "DDIM": [error(SAMPLERS["ddim"], steps) for steps in counts],
    "DPM-Solver++(2M)": [error(mine("10.6"), steps) for steps in counts],
}
for name, row in errors.items():
    print(f"{name:17}", "  ".join(f"{value:.5f}" for value in row))
assert 1.9 < errors["DDIM"][-2] / errors["DDIM"][-1] < 2.1
assert 3.6 < errors["DPM-Solver++(2M)"][-2] / errors["DPM-Solver++(2M)"][-1] < 4.4

figure = Figure(figsize=(6, 4), dpi=100, layout="constrained")
panel = figure.subplots()
for (name, row), colour in zip(errors.items(), ("tab:blue", "tab:orange"), strict=True):
    panel.loglog(counts, row, "o-", color=colour)
    panel.text(counts[1], row[1] * 1.25, name, color=colour, fontsize=11)
panel.set(xlabel="steps", ylabel="error", xticks=counts, xticklabels=counts)
panel.minorticks_off()
show(figure, "10_order")

# %% [markdown]
# And the distribution? Let 40,000 points begin at random, and look at their spread in the end: it should be 0.5. With
# few steps both samplers come out too narrow: they hold a guess of x_0 for too long, and a guess is an average. You
# should see that DDIM needs fewer steps than DDPM for the same.

# %%
print("steps   spread by DDPM   by DDIM     wanted 0.500")
spreads = {}
for steps in (2, 5, 10, 50, 200):
    for name in ("ddpm", "ddim"):
        levels, x_T = make_levels(schedule, steps), rng.standard_normal((400, 10, 10, 1))
        *_, (x, _) = SAMPLERS[name](denoise, x_T, levels, lambda: rng.standard_normal((400, 10, 10, 1)))
        spreads[name, steps] = float(x.std())
    print(f"{steps:5}   {spreads['ddpm', steps]:14.3f} {spreads['ddim', steps]:9.3f}")
assert abs(spreads["ddim", 200] - 0.5) < 0.01 and abs(spreads["ddpm", 200] - 0.5) < 0.02
assert all(spreads["ddpm", steps] < spreads["ddim", steps] < 0.5 for steps in (5, 10, 50))

# %% [markdown]
# ## Steps against quality
#
# Now the trained model that comes with minisd. Below are the same ten digits from the same noise, in 1, 2, 5, 10 and
# 50 steps of DDIM.
#
# You should see an average picture in the first row: one step gives the network's best guess from pure noise, which
# is a blur. From two to five steps the pictures change much, from ten to fifty hardly. Their distance from the last row
# says the same. A judge who only reads digits finds all rows equally good; remember this for chapter 11.

# %%
pipeline, judge = Pipeline.load(), Judge.load()
digits = ["a zero", "a one", "a two", "a three", "a four", "a five", "a six", "a seven", "an eight", "a nine"]
by_steps = {steps: pipeline.draw(digits, seed=3, steps=steps) for steps in (1, 2, 5, 10, 50)}

show_rows({f"{steps} steps" if steps > 1 else "1 step": drawn for steps, drawn in by_steps.items()}, "10_steps")
off = {steps: float(abs(drawn - by_steps[50].astype(float)).mean()) for steps, drawn in by_steps.items()}
grey = {n: float(((drawn > 64) & (drawn < 192)).sum() / (drawn > 64).sum()) for n, drawn in by_steps.items()}
for steps, drawn in by_steps.items():
    right = int((judge.digits(drawn) == np.arange(10)).sum())
    print(f"{steps:2} steps: {off[steps]:4.1f} of 255 off; {grey[steps]:.0%} of the ink grey; reads {right} of 10")
    assert right >= 9
assert all(off[a] > off[b] for a, b in pairwise(off)) and off[10] < off[2] / 2
assert grey[1] > 1.5 * grey[50]

# %% [markdown]
# ## Guidance, from Bayes' rule
#
# What the network calls noise is, up to a factor, the direction in which pictures become more likely. With Gaussian
# noise one can show (Song et al. 2021b) that
#
# $$\nabla_{x_t} \log p(x_t) = -\frac{E[\varepsilon | x_t]}{\sigma}$$
#
# the score. Above it is easy to check: for Gaussian data $\log p(x_t)$ is a parabola.

# %%
x_t, level = rng.standard_normal((1, 3, 3, 1)), schedule.level(500)
score = -(x_t - level.alpha * mu) / (level.alpha**2 * s**2 + level.sigma**2)  # of the normal density of x_t
assert np.allclose(score, -denoise(x_t, level)[1] / level.sigma)

# %% [markdown]
# Let c be the prompt. Bayes' rule, with the logarithm and the gradient taken (what does not depend on $x$ drops out):
#
# $$p(x | c) = \frac{p(c | x)\, p(x)}{p(c)} \qquad\Rightarrow\qquad \nabla \log p(x | c) = \nabla \log p(x) + \nabla
# \log p(c | x)$$
#
# The last term leads to pictures that fit the prompt. We want it to count more, w times:
#
# $$\nabla \log p(x) + w\, \nabla \log p(c | x) = \nabla \log p(x) + w\, \big(\nabla \log p(x | c) - \nabla \log
# p(x)\big)$$
#
# Both gradients on the right are the network's, asked with the prompt and without it. In terms of the noise, which is
# the score times $-\sigma$, this is classifier-free guidance (Ho and Salimans, 2022):
#
# $$\varepsilon = \varepsilon_\text{without} + w\, (\varepsilon_\text{with} - \varepsilon_\text{without})$$
#
# At w = 1 it is the model as trained, at 0 it has no prompt. Above 1 it is no longer the distribution of the data, but
# one proportional to $p(x)\, p(c | x)^w$, sharpened: the clearest sevens, over and over. That is the price, and we
# measure it. Accuracy is what the judge reads; diversity is how much the judge's features vary within a digit. The
# library's model guides only for 300 <= t < 800, which is gentler; here we guide everywhere, to see the effect.
#
# You should see the accuracy rise and the variety fall. At 0 the prompt does not count: the digits are any.

# %%
source(guided)


def draw(prompts, scale, *, against="", steps=20, seed=1):
    """A drawing of each prompt, guided everywhere, away from the prompt `against`."""
    with_prompt, without = pipeline.encode_prompts(prompts), pipeline.encode_prompts([against] * len(prompts))
    model = ClassifierFreeGuidance(pipeline.predict, with_prompt, without, scale)
    z_T = initial_noise(pipeline.latent_shape, sample_rngs(seed, len(prompts)))
    return pipeline.decode(sample(model, z_T, pipeline.schedule, steps=steps, prediction=pipeline.info.prediction))


labels = np.tile(np.arange(10), 8)
scales = (0.0, 1.0, 2.0, 4.0, 8.0)
by_scale = {scale: draw(digits * 8, scale) for scale in scales}
accuracy = {scale: float((judge.digits(drawn) == labels).mean()) for scale, drawn in by_scale.items()}
variety = {}
for scale, drawn in by_scale.items():
    features = judge.features(drawn)
    variety[scale] = float(np.mean([features[labels == d].var(axis=0, ddof=1).mean() for d in range(10)]))
    print(f"scale {scale:g}: accuracy {accuracy[scale]:.0%}, variety {variety[scale]:.2f}")
assert accuracy[0.0] < 0.3 and accuracy[1.0] > 0.85 and accuracy[4.0] >= accuracy[1.0]
assert variety[1.0] > variety[2.0] > variety[4.0] and variety[4.0] < 0.8 * variety[1.0]

show_rows({f"scale {scale:g}": draw(["a seven"] * 10, scale) for scale in scales}, "10_guidance")

# %% [markdown]
# ## Negative prompts
#
# In the formula nothing says that $\varepsilon_\text{without}$ belongs to the empty prompt. Put another prompt there,
# and the drawing is pushed away from it: $p(x)\, (p(c | x) / p(c' | x))^w$. That is all that a negative prompt is.
#
# You should see the same seven wishes, thinner, when "a thick seven" is what we do not want.

# %%
plain, away = draw(["a seven"] * 10, 2.0), draw(["a seven"] * 10, 2.0, against="a thick seven")
show_rows({"a seven": plain, "not thick": away}, "10_negative")
print(f"mean thickness {thickness(plain).mean():.2f} and {thickness(away).mean():.2f} pixels")
assert thickness(away).mean() < thickness(plain).mean() - 0.2
assert (judge.digits(away) == 7).mean() >= 0.8

# %% [markdown]
# ## Exercises
#
# 10.1 is DDPM's step. 10.2 and 10.6 are whole samplers in the library's interface: DDIM, and DPM-Solver++ from its
# paper, a day's work. With either you can draw: `minisd draw "a seven" --with exercises/ex10_6_dpm_solver.py`. 10.3 is
# guidance, 10.4 the times to visit, 10.5 the best guess for Gaussian data. 10.7 and 10.8 want a number. In a shell:
# `minisd course check 10.1`; here: `check("10.1", ddpm_step)`.
#
# ## Try
#
# 1. How often is the network asked for one guided drawing of 50 steps? Answer: 100 times, 50 with the prompt and 50
#    without it. With the interval 300 <= t < 800 it is 75 times.
# 2. Draw with `SAMPLERS["ddpm"]` in 5 steps (`sampler="ddpm"`). What does it look like, and why? Look at the table of
#    spreads again.
# 3. At scale -1 the prompt pushes away. What does "a seven" become?

# %%
guided_steps = sum(300 <= t < 800 for t in range(999, 0, -20))
assert 50 + guided_steps == 75
