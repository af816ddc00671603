# %% [markdown]
# # 9. Noise, and how a network learns to see it
#
# A diffusion model draws by taking noise away. So first somebody must put noise in, and a network must learn to tell
# it from the picture. This chapter does both: how much noise there is at which time, why the noise is what the network
# is asked for, how it is told the time, and then the training loop, written out line by line. In the end we break the
# loop in five ways and look at what comes out.
#
# You need chapter 4 (gradients) and chapter 5 (the U-Net). It takes half a minute, nearly all of it training.

# %%
import math
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure

from minisd import ops
from minisd.autograd import Tensor, no_grad
from minisd.course import show, source
from minisd.data.strokes import draw_strokes
from minisd.diffusion.prediction import x_0_and_noise
from minisd.diffusion.samplers import initial_noise, sample, sample_rngs
from minisd.diffusion.schedule import NoiseSchedule, linear_schedule, make_schedule
from minisd.models.levels import Level
from minisd.models.time import time_embedding
from minisd.models.unet import UNet, UNetConfig
from minisd.nn import GroupNorm
from minisd.optim import EMA, AdamW, warmup_cosine
from minisd.pictures import to_unit_range

rng = np.random.default_rng(0)

# %% [markdown]
# ## Noise, step by step
#
# Each step of the forward process shrinks the picture a little and adds a little noise, with a small share $\beta_t$
# (Ho et al. 2020, equation 2):
#
# $$x_t = \sqrt{1 - \beta_t}\, x_{t-1} + \sqrt{\beta_t}\, \varepsilon_t, \qquad \varepsilon_t \sim N(0, 1)$$
#
# Why the roots? Variances of independent things add up, and a factor counts squared in a variance. If $x_{t-1}$ has
# variance 1, then $x_t$ has $(1 - \beta_t) + \beta_t = 1$, too. The picture fades and nothing grows.
#
# Nobody wants to take 500 steps to make one training example. Two steps are one:
#
# $$x_2 = \sqrt{(1 - \beta_2)(1 - \beta_1)}\, x_0 + \sqrt{(1 - \beta_2)\, \beta_1}\, \varepsilon_1 + \sqrt{\beta_2}\,
# \varepsilon_2$$
#
# The last two terms are independent normal numbers, so their sum is one normal number, with the variance
#
# $$(1 - \beta_2)\, \beta_1 + \beta_2 = 1 - (1 - \beta_2)(1 - \beta_1)$$
#
# That is the same pattern again: what is left of $x_0$ is a product, and the noise fills the variance up to 1. Suppose
# it holds for $t - 1$ with the product $\bar\alpha_{t-1}$. Then one more step gives $x_0$ the factor $\sqrt{(1 -
# \beta_t)\, \bar\alpha_{t-1}}$ and the noise the variance $(1 - \beta_t)(1 - \bar\alpha_{t-1}) + \beta_t = 1 - (1 -
# \beta_t)\, \bar\alpha_{t-1}$. So by induction, for every t (Ho et al. 2020, equation 4):
#
# $$x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \varepsilon, \qquad \bar\alpha_t = \prod_{s \le t} (1 -
# \beta_s)$$
#
# We write $\alpha = \sqrt{\bar\alpha_t}$ and $\sigma = \sqrt{1 - \bar\alpha_t}$ for the two factors. Note that
# $\alpha^2 + \sigma^2 = 1$.
#
# Here are ten steps, taken 200,000 times from $x_0 = 2$, beside the formula. You should see the same mean and the same
# variance.

# %%
schedule = NoiseSchedule.of_betas(np.linspace(0.02, 0.3, 10))
x = np.full(200_000, 2.0)
print(" t   mean by steps  by formula    variance by steps  by formula")
for t, beta in enumerate(schedule.betas):
    x = math.sqrt(1 - beta) * x + math.sqrt(beta) * rng.standard_normal(x.shape)
    alpha, sigma = schedule.rates(t, x)
    print(f"{t:2}   {x.mean():13.3f} {2 * alpha:11.3f}    {x.var():17.3f} {sigma**2:11.3f}")
    assert abs(x.mean() - 2 * alpha) < 0.01 and abs(x.var() - sigma**2) < 0.01

# %% [markdown]
# That is all of the forward process, and all of it that the library needs:

# %%
source(NoiseSchedule.add_noise)

# %% [markdown]
# ## Schedules
#
# The betas are a choice. Three are common: `linear` (DDPM), `scaled_linear` (Stable Diffusion) and `cosine` (Nichol
# and Dhariwal, 2021; our model). What differs is how long a picture stays visible. The fair measure is the
# signal-to-noise ratio
#
# $$\text{SNR}(t) = \frac{\bar\alpha_t}{1 - \bar\alpha_t}$$
#
# since a network sees the same task wherever this number is the same, whatever the schedule calls the time there.
#
# You should see that the cosine schedule spends its time evenly, while the linear one has lost nearly all of the
# picture after half of the way. On the right the same as SNR, in powers of ten.

# %%
names = {"linear": "tab:blue", "scaled_linear": "tab:green", "cosine": "tab:orange"}
figure = Figure(figsize=(9, 3.6), dpi=100, layout="constrained")
left, right = figure.subplots(1, 2)
for name, colour in names.items():
    schedule = make_schedule(name)
    t = np.arange(schedule.steps)
    left.plot(t, schedule.alpha_bar, color=colour, linewidth=2)
    right.semilogy(t, schedule.snr(t), color=colour, linewidth=2)
for (name, colour), place in zip(names.items(), ((300, 0.4), (560, 0.2), (436, 0.6)), strict=True):
    white = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    left.text(*place, name, color=colour, fontsize=10, ha="center", va="center", bbox=white)
left.set_title("what is left of the picture's variance", fontsize=11)
left.set(xlabel="t", ylabel=r"$\bar\alpha_t$")
right.axhline(1, color="0.6", linewidth=0.8)
right.text(1000, 1.6, "as much picture as noise", color="0.4", fontsize=10, ha="right")
right.set(xlabel="t", ylim=(1e-6, 1e5))
right.set_title("signal-to-noise ratio", fontsize=11)
show(figure, "09_schedules")

half_gone = {name: int((make_schedule(name).snr(np.arange(1000)) > 1).sum()) for name in names}
print("more noise than picture from t =", half_gone)
assert half_gone["linear"] < half_gone["scaled_linear"] < half_gone["cosine"] and abs(half_gone["cosine"] - 500) < 10
assert make_schedule("linear").alpha_bar[500] < 0.1 < 0.4 < make_schedule("cosine").alpha_bar[500]

# %% [markdown]
# Look at the right end of the curves. Drawing will begin with pure noise, where the SNR is 0. Training never shows
# that: at the last t there is still a trace of picture. It is a small one for `linear`, but `scaled_linear` leaves
# $\sqrt{0.0047} = 7\,\%$ of the amplitude. A network trained with it learns that even the noisiest picture tells how
# bright it is, and then draws all its pictures half bright, half dark (Lin et al. 2024). This is a mistake in the first
# Stable Diffusion.

# %%
for name in names:
    schedule = make_schedule(name)
    print(f"{name:14} last alpha {schedule.alpha[999]:.4f}   SNR {schedule.snr(999):.1e}")
assert make_schedule("scaled_linear").alpha[999] > 0.065
assert make_schedule("cosine").alpha[999] < 0.001

# %% [markdown]
# ## A digit at several t
#
# Our pictures are digits that code draws with a pen, made half as large: 14 x 14 pixels, so that training takes
# seconds. All of them are threes.
#
# You should see the same three and the same noise in both rows, and the three drown sooner in the upper one.
# At which SNR do you stop seeing it? It should be about the same in both rows.

# %%
strokes = draw_strokes(1500, seed=0)
threes = to_unit_range(strokes.images[strokes.labels == 3])
threes = threes.reshape(-1, 14, 2, 14, 2, 1).mean(axis=(2, 4))  # each pixel the mean of 2 x 2
print(threes.shape, threes.dtype, f"from {threes.min():.0f} to {threes.max():.0f}")
assert threes.shape[1:] == (14, 14, 1) and len(threes) > 100 and threes.dtype == np.float32

x_0, noise = threes[:1], rng.standard_normal((1, 14, 14, 1), np.float32)
times = (0, 100, 250, 400, 550, 700, 850, 999)
figure = Figure(figsize=(9.6, 2.9), dpi=100, layout="constrained")
for name, row in zip(("linear", "cosine"), figure.subplots(2, len(times)), strict=True):
    schedule = make_schedule(name)
    for t, panel in zip(times, row, strict=True):
        panel.imshow(schedule.add_noise(x_0, noise, t)[0, ..., 0], cmap="gray", vmin=-2, vmax=2)
        panel.set_title(f"t = {t}\nSNR {schedule.snr(t):.2g}", fontsize=9)
        panel.set(xticks=[], yticks=[])
    row[0].set_ylabel(name, fontsize=11)
show(figure, "09_digit")

likeness = {
    name: [np.corrcoef(make_schedule(name).add_noise(x_0, noise, t).ravel(), x_0.ravel())[0, 1] for t in times]
    for name in ("linear", "cosine")
}
assert all(a > b for row in likeness.values() for a, b in pairwise(row))  # it drowns
assert all(a < b for a, b in zip(likeness["linear"][1:-1], likeness["cosine"][1:-1], strict=True))  # sooner above

# %% [markdown]
# ## Why the noise is the target
#
# A model is to make the data likely. The likelihood itself cannot be computed, but a bound on it can (the same one as
# for the VAE of chapter 6). Written for a chain of steps it falls apart into one term for each t (Ho et al. 2020,
# equation 5):
#
# $$L_{t-1} = \text{KL}\big(q(x_{t-1} | x_t, x_0)\ \|\ p_\theta(x_{t-1} | x_t)\big)$$
#
# In words: the step back that the model takes from $x_t$, beside the step back that one would take knowing $x_0$. Both
# are normal distributions (chapter 10 derives the first), and we give both the same variance $\tilde\beta_t$. The KL
# divergence of two such is the squared distance of their means, over twice the variance:
#
# $$L_{t-1} = \frac{1}{2 \tilde\beta_t}\, \|\tilde\mu(x_t, x_0) - \mu_\theta(x_t, t)\|^2$$
#
# The mean is a mixture of $x_0$ and $x_t$, $\tilde\mu = c_t\, x_0 + d_t\, x_t$, with numbers $c_t$ and $d_t$ that the
# schedule knows. And $x_t$ is no secret: the model sees it. All that the model adds is its guess of $x_0$, so
#
# $$L_{t-1} = \frac{c_t^2}{2 \tilde\beta_t}\, \|x_0 - x_\theta(x_t, t)\|^2$$
#
# To guess $x_0$ from $x_t$ is to guess the noise: $x_0 = (x_t - \sigma \varepsilon) / \alpha$. An error $\delta$ in the
# noise is one of $\sigma \delta / \alpha$ in $x_0$:
#
# $$L_{t-1} = \frac{c_t^2}{2 \tilde\beta_t}\, \frac{\sigma^2}{\alpha^2}\, \|\varepsilon - \varepsilon_\theta(x_t, t)\|^2
# = w_t\, \|\varepsilon - \varepsilon_\theta(x_t, t)\|^2$$
#
# Ho et al. then drop $w_t$, and train on $\|\varepsilon - \varepsilon_\theta\|^2$ alone (their equation 14). That is no
# longer the bound, but a sum of the same terms with other weights. You should see which ones: the bound cares most for
# the last, finest steps, and next to nothing for those that decide what the picture shows. Dropping $w_t$ moves the
# effort there.

# %%
schedule = linear_schedule()
t = np.arange(1, 1000)  # t = 0 is the last step, whose variance is 0: there the bound has another term
alpha_bar, alpha_bar_prev, beta = schedule.alpha_bar[t], schedule.alpha_bar[t - 1], schedule.betas[t]
beta_tilde = (1 - alpha_bar_prev) / (1 - alpha_bar) * beta
c = np.sqrt(alpha_bar_prev) * beta / (1 - alpha_bar)
w = c**2 / (2 * beta_tilde) * (1 - alpha_bar) / alpha_bar
for time in (1, 10, 100, 500, 999):
    print(f"t = {time:3}   weight of the noise's error in the bound {w[time - 1]:.4f}")
assert np.allclose(w, beta**2 / (2 * beta_tilde * (1 - beta) * (1 - alpha_bar)))  # Ho et al. 2020, equation 12
assert w[0] > 20 * w[99] > 20 * w[499]

# %% [markdown]
# The noise is not the only thing to ask for. Whoever knows $x_t$ and one of the three
#
# $$\varepsilon, \qquad x_0 = \frac{x_t - \sigma \varepsilon}{\alpha}, \qquad v = \alpha\, \varepsilon - \sigma\, x_0$$
#
# knows the others. They differ in where an error weighs most: with $\delta$ in the noise, $x_0$ is off by $\sigma
# \delta / \alpha$ and $v$ by $\delta / \alpha$. Near the noise ($\alpha \to 0$) a small error in the noise is a huge
# one in $x_0$: there the noise is easy to name, it is nearly all that one sees, and the picture is the question. So
# much of diffusion's craft is the choice of one of the three; the shipped model predicts v, the first Stable Diffusion
# the noise, and here we take the noise.

# %%
x_t, delta = schedule.add_noise(x_0, noise, 700), 0.1
alpha, sigma = schedule.rates(700, x_t)
for prediction, answer in (("noise", noise), ("x_0", x_0), ("v", alpha * noise - sigma * x_0)):
    x_0_read, noise_read = x_0_and_noise(prediction, answer, x_t, alpha, sigma)
    assert np.allclose(x_0_read, x_0, atol=1e-4) and np.allclose(noise_read, noise, atol=1e-4)
off = x_0_and_noise("noise", noise + np.float32(delta), x_t, alpha, sigma)[0] - x_0
print(f"alpha {alpha:.3f}: the noise {delta} off, x_0 {abs(off).mean():.2f} off")
assert np.allclose(off, -sigma * delta / alpha, atol=1e-4)

# %% [markdown]
# ## How the network is told the time
#
# The same network serves all t, so it must know t: at t = 10 it is to look for fine grain, at t = 900 to guess. One
# number from 0 to 999 at the entrance would be hard to use, as 500 and 501 differ by 0.2 %. So t is written as a row
# of waves, fast ones and slow ones (Vaswani et al. 2017, section 3.5), as a clock has hands for seconds, minutes and
# hours:
#
# $$\cos(t f_i),\ \sin(t f_i), \qquad f_i = 10000^{-i/n}, \quad i = 0 \dots n - 1$$
#
# You should see the fast waves left of each half, and the slow ones right of it. Rows that are close look alike, and
# rows that are far apart do not: on the right, the likeness of t = 500 with all others.

# %%
source(time_embedding)
embedding = time_embedding(np.arange(1000), 64)
cosine = embedding @ embedding[500] / 32  # each row has the length sqrt(32)
figure = Figure(figsize=(9, 3.6), dpi=100, layout="constrained")
left, right = figure.subplots(1, 2)
left.imshow(embedding, aspect="auto", cmap="RdBu", vmin=-1, vmax=1, interpolation="nearest")
left.set(xticks=(16, 48), xticklabels=("cos, fast to slow", "sin, fast to slow"), ylabel="t")
left.set_title("a row for each t", fontsize=11)
right.plot(cosine, color="tab:blue", linewidth=1)
right.set(xlabel="t", ylim=(-0.1, 1.05))
right.set_title("likeness with t = 500 (cosine of the angle)", fontsize=11)
show(figure, "09_time")
assert embedding.shape == (1000, 64) and np.allclose((embedding**2).sum(axis=1), 32)
assert cosine[500] > cosine[503] > cosine[520] > cosine[700] and cosine.argmax() == 500

# %% [markdown]
# Two linear layers make a vector of it, and every residual block adds that one to all pixels, channel by channel. So
# the time is a shift of each channel, and a channel can be switched off by night and on by day.
#
# ## Group norm
#
# Between the convolutions stands a norm: mean 0 and variance 1, then a scale and a shift for each channel. Else the
# numbers would grow or shrink from layer to layer, and training with them. Mean and variance must be taken over
# something. The choice is
#
# - batch norm: one channel, all pixels of all pictures of the batch;
# - layer norm: one picture, everything;
# - group norm: one picture, a group of channels, all pixels (Wu and He, 2018).
#
# $$y = \gamma\, \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta$$
#
# Batch norm would mix a picture at t = 10 with one at t = 900, and what a picture becomes would depend on its
# company. When drawing, all have the same t, and the company is another one than in training. Group norm never looks
# at another picture.
#
# You should see that a picture's result stays to the bit when its neighbours change; with batch norm it does not.


# %%
def batch_norm(x):
    mean, variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    return (x - mean) / np.sqrt(variance + 1e-5)


norm = GroupNorm(groups=4, channels=16)
picture = rng.standard_normal((1, 14, 14, 16), np.float32)
for company in (0.1, 3.0):
    batch = np.concatenate([picture, company * rng.standard_normal((7, 14, 14, 16), np.float32)])
    change_group = abs(norm(Tensor(batch)).data[:1] - norm(Tensor(picture)).data).max()
    change_batch = abs(batch_norm(batch)[:1] - batch_norm(picture)).max()
    print(f"neighbours of size {company}: group norm changes by {change_group:.2f}, batch norm by {change_batch:.2f}")
    assert change_group == 0 and change_batch > 0.5

# %% [markdown]
# ## The training loop
#
# Now the loop, one piece after the other. First the network: two levels of 16 channels, no attention and no prompt.
# Its last convolution starts at zero, so it begins by answering 0 to everything. The noise has variance 1; so the
# first loss is 1. That is the first thing to check of any training.


# %%
def new_network():
    levels, no_prompt = (Level(16), Level(16)), {"context_width": None, "pooled_width": None}
    config = UNetConfig(latent_channels=1, levels=levels, middle=Level(16), time_width=32, **no_prompt)
    return UNet(config, rng=np.random.default_rng(0))


network = new_network()
print(f"{network.parameter_count():,} weights")

# %% [markdown]
# **1. A batch.** 32 pictures, noise, and for each picture a t of its own: one network learns all noise levels at once.
# We draw one t from each 32nd of 0..999. So every batch has seen all noise levels, and its loss is less noisy than
# with t drawn freely (Kingma et al. 2021, appendix I.1).


# %%
def make_batch(rng, B=32):
    x_0 = threes[rng.integers(len(threes), size=B)]
    noise = rng.standard_normal(x_0.shape, np.float32)
    t = ((np.arange(B) + rng.random(B)) / B * schedule.steps).astype(int)
    return schedule.add_noise(x_0, noise, t), noise, t


x_t, noise, t = make_batch(rng)
print("x_t", x_t.shape, " t from", t.min(), "to", t.max())
assert x_t.shape == (32, 14, 14, 1) and t.shape == (32,) and len(set(t // 100)) == 10

# %% [markdown]
# **2. The loss**, the mean of the squared differences, and **3. the gradient** of it in every weight, by the tape of
# chapter 4.

# %%
loss = ops.mean_squared_error(network(Tensor(x_t), t), Tensor(noise))
print(f"first loss {loss.item():.3f}")
assert abs(loss.item() - 1) < 0.05

loss.backward()
parameters = network.parameters()
length = math.sqrt(sum(float((p.grad**2).sum()) for p in parameters))
print(f"all gradients together are a vector of length {length:.2f}")

# %% [markdown]
# **4. A step.** Every weight moves against its gradient; AdamW divides each by the size that its gradients usually
# have, so that one learning rate fits all. A batch that happens to have a huge gradient would spoil much: gradients
# longer than 1 are shortened to 1 first (clipping). After the step the gradients are thrown away. `step` does all of
# this, and tells the length that it found.

# %%
optimizer = AdamW(network)
assert math.isclose(optimizer.step(lr=0.005, largest_norm=1.0), length, rel_tol=1e-4)
assert all(p.grad is None for p in parameters)
source(AdamW.step)

# %% [markdown]
# **5. The learning rate** is not the same all the time. AdamW knows nothing of the gradients' size at first, so we
# begin slowly: warm-up. In the end the weights should come to rest: half a cosine down to 0.
#
# **6. A moving average** of the weights (EMA). The last weights jump about from batch to batch, while their average
# hardly does. We draw with the average. It must be quick at first, or it would remember the random weights at which
# training began; so the library's starts with a short memory:

# %%
source(EMA.update)

# %% [markdown]
# That is the loop. It has three options more than a loop should have: they are mistakes that we will make on purpose.


# %%
def train(steps, peak=0.005, *, other_noise=False, keep_gradients=False):
    """The network, its average, the average that is too slow, and the loss of each step."""
    network, rng, losses = new_network(), np.random.default_rng(1), []
    optimizer, ema = AdamW(network), EMA(network, decay=0.99)
    too_slow = ema.weights.copy()
    for n in range(steps):
        x_t, noise, t = make_batch(rng)
        target = rng.standard_normal(noise.shape, np.float32) if other_noise else noise  # mistake: not the noise in x_t
        loss = ops.mean_squared_error(network(Tensor(x_t), t), Tensor(target))
        loss.backward()
        gradients = [p.grad for p in network.parameters()]
        optimizer.step(warmup_cosine(n, steps, peak, warmup=20), largest_norm=1.0)
        ema.update()
        too_slow += 0.0001 * (ema.weights - too_slow)  # mistake: a memory of 10,000 steps, from the first one on
        losses.append(loss.item())
        if keep_gradients:  # mistake: they are still there when the next ones are added
            for parameter, gradient in zip(network.parameters(), gradients, strict=True):
                parameter.grad = gradient
    return network, ema, too_slow, np.array(losses)


STEPS = 300
network, ema, too_slow, losses = train(STEPS)
print(f"loss {losses[:10].mean():.2f} -> {losses[-50:].mean():.3f}")
assert losses[-50:].mean() < 0.1

# %% [markdown]
# ## What it has learned
#
# To draw, we begin with pure noise and take it away in 30 steps; how is the business of chapter 10. You should see
# threes, and no two alike. None of them is in the training set.


# %%
def draw(network, count=8):
    def model(x_t, t):
        with no_grad(), np.errstate(all="ignore"):
            return np.nan_to_num(network(Tensor(x_t), t).data)

    x_T, rngs = initial_noise((14, 14, 1), sample_rngs(seed=0, count=count)), sample_rngs(seed=1, count=count)
    return sample(model, x_T, schedule, sampler="ddpm", steps=30, rngs=rngs, clip=1.0)


def like_a_three(drawn):
    """Correlation of each drawing with the training picture that is most like it."""
    a, b = (x.reshape(len(x), -1) - x.reshape(len(x), -1).mean(axis=1, keepdims=True) for x in (drawn, threes))
    lengths = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
    return (a @ b.T / np.maximum(lengths, 1e-9)).max(axis=1)


with ema.in_use():
    drawings = {"as it should be": draw(network)}
likeness = like_a_three(drawings["as it should be"])
print("likeness with the nearest training picture:", likeness.round(2))
assert likeness.min() > 0.75 and likeness.max() < 0.999

# %% [markdown]
# ## What goes wrong, and how it looks
#
# Five classic mistakes. None of them raises an error: what one has is the curve and the pictures. So learn to know
# them by sight.
#
# 1. **The learning rate is too high.** The loss jumps up, and ends near what the answer 0 gives.
# 2. **The learning rate is too low.** The curve falls smoothly, as in the textbook, and gets nowhere.
# 3. **Gradients are not thrown away** (`zero_grad` forgotten). Each step adds its own to all the ones before. They
#    grow, and point where it was right to go long ago. It begins well, and then turns.
# 4. **The target does not belong to the input**: noise drawn anew, instead of the noise that is in x_t. It cannot be
#    predicted, the best answer is 0, and the loss stays at its variance, 1. A loss that stays at exactly what the
#    answer 0 gives means: input and target have nothing to do with each other.
# 5. **The average is too slow.** The loss is perfect. But what we draw with still remembers the random first weights.

# %%
runs = {
    "learning rate 0.3": train(100, peak=0.3),
    "learning rate 0.0001": train(100, peak=1e-4),
    "gradients kept": train(100, keep_gradients=True),
    "another noise": train(100, other_noise=True),
}
for name, (spoiled, its_ema, _, _) in runs.items():
    with its_ema.in_use():
        drawings[name] = draw(spoiled)
ema.average[...] = too_slow
with ema.in_use():
    drawings["average too slow"] = draw(network)

# %%
curves = {"as it should be": losses[:100]} | {name: run[3] for name, run in runs.items()}
curves["average too slow"] = losses[:100]
figure = Figure(figsize=(11, 5.2), dpi=100, layout="constrained")
panels = figure.subplots(4, len(curves), height_ratios=(2.2, 1, 1, 1))
for column, (name, curve) in zip(panels.T, curves.items(), strict=True):
    smooth = np.convolve(curve, np.ones(5) / 5, mode="valid")
    column[0].semilogy(losses[:100], color="0.8")
    column[0].semilogy(smooth, color="tab:blue" if column[0] is panels[0, 0] else "tab:red", linewidth=1.8)
    column[0].set(ylim=(0.04, 6), xticks=(0, 50, 100), yticks=(0.1, 1), yticklabels=("0.1", "1"))
    column[0].set_title(name, fontsize=10)
    for panel, drawing in zip(column[1:], drawings[name], strict=False):
        panel.imshow(drawing[..., 0], cmap="gray", vmin=-1, vmax=1)
        panel.axis("off")
panels[0, 0].set_ylabel("loss")
for panel in panels[0]:
    panel.set_xlabel("step", fontsize=9)
show(figure, "09_mistakes")

last = {name: curve[-20:].mean() for name, curve in curves.items()}
for name, loss in last.items():
    print(f"{name:22} loss {loss:.2f}   likeness with a three {like_a_three(drawings[name]).mean():.2f}")
assert last["learning rate 0.3"] > 0.5 and runs["learning rate 0.3"][3].max() > 1.5
assert 0.4 < last["learning rate 0.0001"] < 0.95
assert last["gradients kept"] > 2 * runs["gradients kept"][3][10:30].min()  # it began well
assert abs(last["another noise"] - 1) < 0.05
assert last["average too slow"] < 0.15
for name in list(drawings)[1:]:
    assert like_a_three(drawings[name]).mean() < like_a_three(drawings["as it should be"]).mean() - 0.2

# %% [markdown]
# ## Exercises
#
# You write all of the loop's pieces yourself: the schedule (09.1, 09.2), noise and its readings (09.3 to 09.5), the
# time's waves (09.6), group norm and, as the long one, its gradient (09.7, 09.8), loss, AdamW, EMA, learning rate and
# clipping (09.9 to 09.13), and the loss of a batch (09.14), which builds on yours. 09.15 and 09.16 want a number. In a
# shell: `minisd course check 09.3`; here: `check("09.3", add_noise)`.
#
# ## Try
#
# 1. Train on all ten digits, `threes` = all of them. What do 300 steps draw?
# 2. Ask for v: the target `alpha * noise - sigma * x_0`, and `prediction="v"` in `draw`. The first loss is not 1
#    then, but what? Answer: the mean of $\alpha^2 + \sigma^2 x_0^2$, since the picture and the noise are independent.
# 3. Leave the clipping out (`largest_norm=math.inf`) and the warm-up (`warmup=1`). Which one is missed more at a
#    learning rate of 0.02?

# %%
t = rng.integers(1000, size=len(threes))
alpha, sigma = schedule.rates(t, threes)
v = alpha * rng.standard_normal(threes.shape, np.float32) - sigma * threes
expected = (alpha**2 + sigma**2 * threes**2).mean()
print(f"mean of v squared: {(v**2).mean():.2f}, by the formula {expected:.2f}")
assert abs((v**2).mean() - expected) < 0.02
