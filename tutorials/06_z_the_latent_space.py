# %% [markdown]
# # 6. Z, the latent space
#
# Stable Diffusion does not draw among pixels. It draws a Z, a small array of numbers, and a decoder makes the picture
# of it. Where do these numbers come from? Why is a Z drawn at random almost never a picture, and why can noise become
# one all the same? And what lies between two pictures?
#
# You need chapter 1 (the whole pipeline) and chapter 4 (gradients), and to know what a normal distribution is. It
# takes half a minute.

# %%
import numpy as np
from matplotlib.figure import Figure
from minisd_kernels.backends import use_backend

from minisd import ops
from minisd.autograd import Tensor, no_grad
from minisd.course import mine, show, show_rows, source
from minisd.data.strokes import draw_strokes
from minisd.diffusion.samplers import initial_noise, sample, sample_rngs
from minisd.evaluation import Judge
from minisd.models.vae import VAE, VAEConfig, decoder_table, encoder_table, reparameterise, scale_factor
from minisd.nn import Linear, Module
from minisd.optim import AdamW
from minisd.pictures import to_bytes, to_unit_range
from minisd.pipeline import Pipeline

pipeline, judge = Pipeline.load(), Judge.load()
digits = draw_strokes(1000, seed=0)  # drawn by code: nothing to download
print(f"{len(digits.images)} digits of {digits.images.shape[1]} x {digits.images.shape[2]} pixels")

# %% [markdown]
# ## Why not pixels?
#
# A U-Net's convolutions do the same at every pixel, so their work grows with the number of pixels. Attention lets every
# pixel look at every other, so its work grows with the square of that number.
#
# |  | picture | Z | pixels fewer by | numbers fewer by |
# |---|---|---|---|---|
# | minisd | 28 x 28 x 1 | 7 x 7 x 4 | 16 | 4 |
# | Stable Diffusion 1 | 512 x 512 x 3 | 64 x 64 x 4 | 64 | 48 |
#
# So convolutions become 16 and 64 times cheaper, and attention 256 and 4096 times.

# %%
for name, (H, W, C), (h, w, c) in (("minisd", (28, 28, 1), (7, 7, 4)), ("SD 1", (512, 512, 3), (64, 64, 4))):
    pixels, numbers = H * W / (h * w), H * W * C / (h * w * c)
    print(f"{name:7} pixels {pixels:3.0f} times fewer, numbers {numbers:2.0f} times; attention {pixels**2:,.0f} times")
assert (28 * 28) / (7 * 7) == 16 and 28 * 28 / (7 * 7 * 4) == 4
assert (512 * 512) / (64 * 64) == 64 and 512 * 512 * 3 / (64 * 64 * 4) == 48

# %% [markdown]
# ## Encoder and decoder, on paper
#
# Chapter 2's formula gives every size. A window of 4 with stride 2 and padding 1 halves an even size, and its transpose
# doubles it. Between them stand residual blocks, which keep the size.
#
# You should see the sizes go down to 7 and come up again, and the real networks agree.

# %%
size = 28
for name, table in (("encoder", encoder_table(VAEConfig())), ("decoder", decoder_table(VAEConfig()))):
    print(name)
    for layer in table:
        size = {"halve": size // 2, "double": size * 2}.get(layer.kind, size)
        print(f"   {layer.kind:9} {layer.inputs:3} -> {layer.outputs:3} channels   {size:2} x {size:2}")
with no_grad():
    mean, log_variance = pipeline.vae.encode(Tensor(to_unit_range(digits.images)))
    back = to_bytes(pipeline.vae.decode(mean).data)
print(f"pictures {digits.images.shape} -> mean and log-variance {mean.shape} -> pictures {back.shape}")
assert mean.shape == log_variance.shape == (1000, 7, 7, 4) and back.shape == digits.images.shape
assert size * 2 == 28  # the last layer, which makes the picture, doubles once more

# %% [markdown]
# The encoder gives two arrays. It does not say "the latents are these". It says: each number is about so large, give or
# take so much. Why would anyone want to be told that?
#
# ## What an autoencoder lacks
#
# Train encoder and decoder to give every picture back, and nothing else, and the encoder may put its pictures anywhere,
# each at a point of its own. What lies between the points was never decoded in training, and nobody knows what comes
# out there. But drawing means: find a Z that is not one of the training pictures'.
#
# So a variational autoencoder (Kingma and Welling 2014) asks for two things more. A picture becomes a cloud instead of
# a point, a normal distribution with mean $\mu$ and variance $\sigma^2$ for each number, and wherever in the cloud one
# is drawn, the decoder must give the picture back. And all clouds together should lie where N(0, 1) lies:
#
# $$\mathrm{loss} = \underbrace{\mathrm{mean}\,(x - x')^2}_{\text{give it back}} + w\;
# \underbrace{\mathrm{KL}\big(N(\mu, \sigma^2)\,\|\,N(0, 1)\big)}_{\text{stay near } N(0, 1)}$$
#
# ## The divergence, in closed form
#
# The Kullback-Leibler divergence is the mean, over draws $z$ from the first distribution $q$, of how much likelier $z$
# is under it than under the second, $p$:
#
# $$\mathrm{KL}(q \| p) = E_{z \sim q}\left[\log q(z) - \log p(z)\right]$$
#
# For one number, with $\log q(z) = -\frac12\log(2\pi\sigma^2) - \frac{(z-\mu)^2}{2\sigma^2}$ and
# $\log p(z) = -\frac12\log(2\pi) - \frac{z^2}{2}$, the $2\pi$ goes away:
#
# $$\log q(z) - \log p(z) = -\tfrac12\log\sigma^2 - \frac{(z - \mu)^2}{2\sigma^2} + \frac{z^2}{2}$$
#
# Under $q$ the mean of $(z-\mu)^2$ is $\sigma^2$, and that of $z^2$ is $\mu^2 + \sigma^2$. So
#
# $$\mathrm{KL} = \tfrac12\left(\mu^2 + \sigma^2 - \log\sigma^2 - 1\right)$$
#
# It is 0 at $\mu = 0$, $\sigma = 1$ and nowhere else. Independent numbers add up. The library:

# %%
source(ops.kl_divergence)

# %% [markdown]
# You should see that a hundred thousand draws agree with the formula.

# %%
rng = np.random.default_rng(0)
mu, sigma = 0.7, 0.4
z = mu + sigma * rng.standard_normal(100_000)
log_q = -0.5 * np.log(2 * np.pi * sigma**2) - (z - mu) ** 2 / (2 * sigma**2)
log_p = -0.5 * np.log(2 * np.pi) - z**2 / 2
by_draws = (log_q - log_p).mean()
by_formula = 0.5 * (mu**2 + sigma**2 - np.log(sigma**2) - 1)
by_library = ops.kl_divergence(Tensor(np.array([mu])), Tensor(np.array([2 * np.log(sigma)]))).item()
print(f"KL: by draws {by_draws:.3f}, by the formula {by_formula:.3f}, by the library {by_library:.3f}")
assert abs(by_draws - by_formula) < 0.01 and abs(by_library - by_formula) < 1e-12

# %% [markdown]
# ## A gradient through a draw
#
# The decoder sees a $z$ that was drawn. How can its wishes reach the encoder? To the tape a random number is a
# constant: ask a generator for a number with mean $\mu$, and it gives you a number, and forgets the $\mu$.
#
# We want the gradient of an average, $\frac{d}{d\mu} E_{z \sim N(\mu, \sigma^2)}[f(z)]$, and $\mu$ sits in the
# distribution. The trick moves it into the function. All normal distributions are one, moved and stretched:
#
# $$z = \mu + \sigma\,\mathrm{noise}, \quad \mathrm{noise} \sim N(0, 1) \qquad\Rightarrow\qquad
# \frac{d}{d\mu} E\left[f(\mu + \sigma\,\mathrm{noise})\right] = E\left[f'(z)\right],\quad
# \frac{d}{d\sigma} E\left[f\right] = E\left[f'(z)\,\mathrm{noise}\right]$$
#
# The noise comes from outside, whatever $\mu$ and $\sigma$ are. What is left is arithmetic, and the tape knows that.

# %%
source(reparameterise)

# %% [markdown]
# An example that can be done on paper: $f(z) = z^2$. Its average is $\mu^2 + \sigma^2$, so the gradient for $\mu$ is
# $2\mu$, and for $\ell = \log\sigma^2$ it is $e^\ell = \sigma^2$.
#
# You should see both come out of the tape, to the accuracy of a hundred thousand draws.

# %%
mean_1 = Tensor(np.array([mu]), requires_grad=True)
log_variance_1 = Tensor(np.array([2 * np.log(sigma)]), requires_grad=True)
z = reparameterise(mean_1, log_variance_1, rng.standard_normal(100_000))
(z * z).mean().backward()
print(f"for mu {mean_1.grad.item():.3f}, on paper {2 * mu:.3f}")
print(f"for log sigma^2 {log_variance_1.grad.item():.3f}, on paper {sigma**2:.3f}")
assert abs(mean_1.grad.item() - 2 * mu) < 0.01 and abs(log_variance_1.grad.item() - sigma**2) < 0.01

constant = Tensor(rng.normal(mu, sigma, 10))  # drawn in the other way
assert not constant.requires_grad  # the tape knows nothing of mu

# %% [markdown]
# ## The weight of the divergence
#
# How much should the clouds be pulled together? Let us train the smallest VAE there is, three times over: two linear
# layers down to a Z of two numbers, which can be seen as a point in the plane, and two up again.


# %%
class Small(Module):
    """Pictures of 784 numbers to 2 latents and back."""

    def __init__(self, rng):
        self.down, self.to_moments = Linear(784, 96, rng=rng), Linear(96, 4, rng=rng)
        self.up, self.to_picture = Linear(2, 96, rng=rng), Linear(96, 784, rng=rng)

    def encode(self, x):
        moments = self.to_moments(ops.silu(self.down(x)))
        return moments[:, :2], moments[:, 2:]

    def decode(self, z):
        return self.to_picture(ops.silu(self.up(z)))


def train(kl_weight, steps=400):
    """A small VAE; loss = mean (x - x')^2 + weight KL / number of latents, as minisd.train.vae has it."""
    vae, rng = Small(np.random.default_rng(0)), np.random.default_rng(1)
    optimizer = AdamW(vae)
    for step in range(steps):
        x = Tensor(flat[rng.integers(0, len(flat), 64)])
        mean, log_variance = vae.encode(x)
        z = reparameterise(mean, log_variance, rng.standard_normal((64, 2), dtype=np.float32))
        loss = ops.mean_squared_error(vae.decode(z), x) + ops.kl_divergence(mean, log_variance) * (kl_weight / 2)
        loss.backward()
        optimizer.step(5e-3 * (1 - step / steps), largest_norm=1.0)
    return vae


flat = to_unit_range(digits.images).reshape(-1, 784)
WEIGHTS = (0.0, 0.02, 1.0)
small, clouds = {}, {}
print("weight   error   KL a latent   mean deviation sigma")
for kl_weight in WEIGHTS:
    with use_backend("numpy"):  # arrays so small that threads would wait for each other longer than they compute
        vae = small[kl_weight] = train(kl_weight)
    with no_grad():
        mu_2, log_variance_2 = vae.encode(Tensor(flat))
        noise = np.random.default_rng(2).standard_normal(mu_2.shape, dtype=np.float32)
        again = vae.decode(reparameterise(mu_2, log_variance_2, noise))
    error = ((again.data - flat) ** 2).mean()
    kl = ops.kl_divergence(mu_2, log_variance_2).item() / 2
    clouds[kl_weight] = mu_2.data, np.exp(log_variance_2.data / 2), error, kl
    print(f"{kl_weight:6}   {error:.3f}   {kl:11.3f}   {clouds[kl_weight][1].mean():.3f}")

# %% [markdown]
# You should see a trade. Without the divergence the clouds shrink to points: the deviations are nearly 0, and pictures
# come back best. With much of it every cloud is N(0, 1), whatever the picture. Then Z says nothing, and the decoder
# gives the average picture: the error is the largest (this is called posterior collapse). Between the two, clouds are
# small but touch their neighbours.
#
# In the picture every dot is drawn from the cloud of one picture. Its colour says the digit, in all three as named in
# the first. The dashed circle holds
# 86% of N(0, 1).

# %%
errors, divergences = [clouds[w][2] for w in WEIGHTS], [clouds[w][3] for w in WEIGHTS]
deviations = [clouds[w][1].mean() for w in WEIGHTS]
assert errors[0] < errors[1] < errors[2] and divergences[0] > divergences[1] > divergences[2]
assert deviations[0] < 0.05 < deviations[1] < 0.5 < 0.95 < deviations[2] and divergences[2] < 0.01

figure, turn = Figure(figsize=(10, 3.9), dpi=110, layout="constrained"), np.linspace(0, 2 * np.pi, 100)
for panel, kl_weight in zip(figure.subplots(1, 3), WEIGHTS, strict=True):
    centres, spread, _, _ = clouds[kl_weight]
    drawn = centres + spread * np.random.default_rng(3).standard_normal(centres.shape)
    for digit in range(10):
        chosen = digits.labels == digit
        panel.scatter(*drawn[chosen].T, s=4, color=f"C{digit}", linewidths=0)
        if kl_weight == 0:
            panel.text(
                *np.median(drawn[chosen], axis=0), str(digit), fontsize=12, weight="bold", ha="center", va="center"
            )
    panel.set_title(f"weight {kl_weight:g}", fontsize=11)
    panel.plot(2 * np.cos(turn), 2 * np.sin(turn), color="black", linestyle="--", linewidth=1)
    panel.set(aspect="equal", xlim=(-5.6, 3.4), ylim=(-5.6, 3.4), xticks=[-4, -2, 0, 2], yticks=[-4, -2, 0, 2])
show(figure, "06_clouds")

# %% [markdown]
# Since Z has two numbers here, all of it can be decoded: the plane from -2 to 2, of the VAE in the middle.
#
# You should see digits that change into each other as one walks, and between two of them a mixture of both. In the
# upper rows no cloud lies: the decoder was never asked there, and what it makes is nothing at all. With this weight the
# clouds do not fill N(0, 1), and a Z drawn at random is often nobody's.

# %%
steps = np.linspace(-2, 2, 9, dtype=np.float32)
plane = np.stack(np.meshgrid(steps, -steps), axis=-1).reshape(-1, 2)
with no_grad():
    pictures = to_bytes(small[0.02].decode(Tensor(plane)).data.reshape(-1, 28, 28, 1)).reshape(9, 9, 28, 28)
show_rows(
    {f"{-step + 0.0:.1f}": row for step, row in zip(steps, pictures, strict=True)},
    "06_plane",
    headings=[f"{step:.1f}" for step in steps],
)
seen = set(judge.digits(pictures.reshape(-1, 28, 28)).tolist())
print("the judge reads these digits in the plane:", sorted(seen))
assert len(seen) >= 5 and (clouds[0.02][0][:, 1] > 1).mean() < 0.01

# %% [markdown]
# ## The Z of minisd
#
# minisd's VAE, like Stable Diffusion's, gives the divergence a tiny weight, 0.0001: pictures must come back sharp.
#
# You should see pictures that come back almost unchanged, and that the clouds are small: the deviation inside a cloud
# is a small part of that of all latents. So this encoder is nearly a plain one, and its clouds hold just enough noise
# to make the decoder patient with small errors. Making noise into such a Z is left to the U-Net.

# %%
show_rows({"picture": digits.images[:10], "and back": back[:10]}, "06_back")
off = abs(back.astype(float) - digits.images).mean()
in_cloud, of_all = np.exp(log_variance.data / 2).mean(), mean.data.std()
print(f"off by {off:.1f} of 255 on average; deviation in a cloud {in_cloud:.3f}, of all latents {of_all:.2f}")
print(f"the judge reads {(judge.digits(back) == digits.labels).mean():.1%} as they were")
assert off < 6 and in_cloud < of_all / 5 and (judge.digits(back) == digits.labels).mean() > 0.98

# %% [markdown]
# ## The scale factor
#
# The U-Net will see mixtures of latents and noise (chapter 9): $z_t = \alpha z_0 + \sigma\,\mathrm{noise}$ with
# $\alpha^2 + \sigma^2 = 1$. If $z_0$ has variance 1, like the noise, every $z_t$ has it, and the network sees numbers
# of one size at all times. So the latents are multiplied by one number, measured once from the training set: 1 over
# their deviation. Stable Diffusion's is the famous 0.18215, ours is 1.803.

# %%
latents = pipeline.encode(digits.images)
assert np.allclose(latents, mean.data * np.float32(pipeline.info.scale_factor), atol=1e-5)
print(f"factor {pipeline.info.scale_factor:.3f}, of MNIST's digits; measured from ours {scale_factor(mean.data):.3f}")
assert abs(latents.std() - 1) < 0.05

noise = rng.standard_normal(mean.shape)
print("\n   t   variance of z_t: latents as they are   scaled")
for t in (0, 250, 500, 750, 999):
    raw, scaled = (pipeline.schedule.add_noise(z_0 - z_0.mean(), noise, t).var() for z_0 in (mean.data, latents))
    print(f"{t:4}   {raw:36.2f}   {scaled:6.2f}")
    assert abs(scaled - 1) < 0.05
assert pipeline.schedule.add_noise(mean.data - mean.data.mean(), noise, 0).var() < 0.4

# %% [markdown]
# Variance 1 is not the whole truth of N(0, 1). The mean of our latents is not 0, and their channels differ. Nobody
# subtracts that: the U-Net learns it like everything else about the latents.

# %%
per_channel = ", ".join(f"{m:.2f}" for m in latents.mean(axis=(0, 1, 2)))
print(f"mean of the scaled latents {latents.mean():.2f}; of each channel {per_channel}")
assert latents.mean() > 0.2 and np.ptp(latents.mean(axis=(0, 1, 2))) > 0.5

figure = Figure(figsize=(8, 3.2), dpi=110, layout="constrained")
panel = figure.subplots()
bins = np.linspace(-4, 4, 81)
for values, colour, label, x, y in (
    (mean.data, "tab:gray", "latents as they are", 0.75, 0.85),
    (latents, "tab:blue", "scaled: variance 1", 1.6, 0.4),
):
    panel.hist(values.ravel(), bins, density=True, histtype="step", color=colour, linewidth=1.8)
    panel.text(x, y, label, color=colour, fontsize=11)
panel.plot(bins, np.exp(-(bins**2) / 2) / np.sqrt(2 * np.pi), color="black", linestyle="--", linewidth=1.2)
panel.text(-3.3, 0.14, "N(0, 1)", fontsize=11)
panel.set(xlabel="value of a latent number", ylabel="density", xlim=(-4, 4))
panel.spines[["top", "right"]].set_visible(False)
show(figure, "06_scale")

# %% [markdown]
# ## The first Z
#
# To draw, the first Z is taken from N(0, 1), number by number. It has 196 numbers, and the sum of 196 squares with mean
# 1 is about 196: so nearly every such Z lies about $\sqrt{196} = 14$ from the origin, on a shell.
#
# What does the decoder make of it? An untrained decoder makes static of any Z. The trained one makes ink and ground of
# it, but no digit: it was trained on the Z of pictures, and N(0, 1) hits none of those. After twenty steps of the U-Net
# Z has moved, and is a seven's.
#
# You should see exactly that, from the same eight Z in every row.

# %%
z_T = initial_noise(pipeline.latent_shape, sample_rngs(seed=7, count=8))
lengths = np.linalg.norm(z_T.reshape(8, -1), axis=1)
print("distances from the origin:", " ".join(f"{length:.1f}" for length in lengths))
assert (abs(lengths - 14) < 2.5).all()

with no_grad():
    static = to_bytes(VAE(VAEConfig(), rng=np.random.default_rng(0)).decode(Tensor(z_T)).data)
blots, sevens = pipeline.decode(z_T), pipeline(["a seven"] * 8, seed=7, steps=20)
show_rows({"untrained decoder": static, "trained decoder": blots, "after 20 steps": sevens}, "06_first_z")


def neighbours_alike(images):
    """Correlation of every pixel with its neighbour to the right: 1 for smooth pictures, 0 for static."""
    return np.corrcoef(images[:, :, :-1].ravel(), images[:, :, 1:].ravel())[0, 1]


def nearest_distance(z):
    """Distance of each Z from the nearest of the thousand digits' latents."""
    gaps = z.reshape(len(z), 1, -1) - latents.reshape(1, len(latents), -1)
    return np.sqrt((gaps**2).sum(axis=-1)).min(axis=1)


far, near = nearest_distance(z_T).mean(), nearest_distance(pipeline.encode(sevens)).mean()
print(f"distance from the nearest digit's Z: noise {far:.1f}, after the steps {near:.1f}")
print("the judge reads after the steps:", *judge.digits(sevens))
assert abs(neighbours_alike(static)) < 0.2 < 0.3 < neighbours_alike(blots)
assert near < 0.8 * far and (judge.digits(sevens) == 7).sum() >= 7

# %% [markdown]
# ## Two paths to a Z
#
# A popular overview says: random noise goes through the encoder and becomes Z. That is not how a text becomes a
# picture. There are two paths, and only one meets the encoder:
#
#     text to image:     Z ~ N(0, 1) ---------------------------------> steps from t = 999   -> decoder -> picture
#     image to image:    picture -> encoder -> z_0 -> some noise -----> steps from t = 800   -> decoder -> picture
#
# You should see that a model whose encoder is broken draws as before, and cannot begin from a picture.


# %%
def broken(*_):
    raise RuntimeError("the encoder was asked")


pipeline.vae.encode = broken
assert (pipeline(["a seven"] * 8, seed=7, steps=20) == sevens).all()
try:
    pipeline.encode(sevens)
except RuntimeError as error:
    print("text to image draws as before; image to image:", error)
else:
    raise AssertionError("an encoder that is broken has encoded")
del pipeline.vae.encode  # the class's own is back

# %% [markdown]
# The second path: eight sevens are encoded, and get the noise of a time t. From there on the prompt is "a thick nine".
#
# You should see that t decides how much is left. From t = 400 the sevens stay what they are: their Z is still there,
# and the steps only polish it. From t = 800 most become nines, and they keep something of their seven: its slant, or
# where its stroke ran.


# %%
def again_from(t_start, pictures, text):
    """Image to image: encode, add noise up to t_start, draw on from there with another text."""
    prompt = pipeline.encode_prompts([text] * len(pictures))
    noise = initial_noise(pipeline.latent_shape, sample_rngs(seed=8, count=len(pictures)))
    return pipeline.decode(
        sample(
            lambda z_t, t: pipeline.predict(z_t, t, prompt),
            pipeline.schedule.add_noise(pipeline.encode(pictures), noise, t_start),
            pipeline.schedule,
            steps=12,
            prediction=pipeline.info.prediction,
            t_start=t_start,
        )
    )


def likeness(a, b):
    """Mean correlation of pictures a[i] with b[i], and with all other b."""
    a, b = (x.reshape(len(x), -1) - x.reshape(len(x), -1).mean(axis=1, keepdims=True) for x in (a, b))
    table = (a @ b.T) / np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))
    return np.diag(table).mean(), table[~np.eye(len(a), dtype=bool)].mean()


from_400, from_800 = (again_from(t, sevens, "a thick nine") for t in (400, 800))
show_rows({"picture": sevens, "from t = 400": from_400, "from t = 800": from_800}, "06_from_a_picture")
for t, pictures in ((400, from_400), (800, from_800)):
    alpha, sigma_t = pipeline.schedule.rates(t, z_T)
    own, others = likeness(sevens.astype(float), pictures.astype(float))
    print(f"t = {t}: {alpha:.2f} of Z, {sigma_t:.2f} of noise; the judge reads", *judge.digits(pictures), end="; ")
    print(f"correlation with its own seven {own:.2f}, with the others {others:.2f}")
    assert own > others + 0.05
assert (judge.digits(from_400) == 7).sum() >= 7 and (judge.digits(from_800) == 9).sum() >= 5

# %% [markdown]
# ## A walk between two digits
#
# Take a three and an eight, and go from one to the other in eight steps, in three ways:
#
# - among pixels: one fades out, the other in;
# - among the latents of both, along the straight line, decoded;
# - among noises: from one z_T to another along the sphere (exercise 06.5 says why), each drawn to its end with
#   the prompt "a three".
#
# You should see that the first two are much alike: halfway there is a mixture of both, where the judge changes its
# mind. The latent space of a VAE with so small a weight is not a map on which digits turn into each other by way of
# digits. But the third row holds a three at every step, of changing shape. Noises are where one can walk, since the
# U-Net was trained to make a digit of every one of them.


# %%
slerp = mine("06.5")  # the exercise: yours, if you have written it
ways = np.linspace(0, 1, 9)
three, eight = (np.flatnonzero(digits.labels == digit)[0] for digit in (3, 8))
fade = np.stack([(1 - t) * digits.images[three] + t * digits.images[eight] for t in ways]).astype(np.uint8)
line = pipeline.decode(np.stack([(1 - t) * latents[three] + t * latents[eight] for t in ways]).astype(np.float32))

first, last = z_T[0], z_T[1]
on_the_way = np.stack([slerp(first, last, t) for t in ways]).astype(np.float32)
prompt = pipeline.encode_prompts(["a three"] * 9)
threes = pipeline.decode(
    sample(
        lambda z_t, t: pipeline.predict(z_t, t, prompt),
        on_the_way,
        pipeline.schedule,
        steps=20,
        prediction=pipeline.info.prediction,
    )
)
rows = {"pixels": fade, "latents": line, "noises": threes}
read = {name: judge.digits(pictures) for name, pictures in rows.items()}
show_rows(rows, "06_walk", headings=[f"{t:.2f}" for t in ways], notes={n: [str(d) for d in r] for n, r in read.items()})
for name in ("pixels", "latents"):
    assert read[name][0] == 3 and read[name][-1] == 8 and 2 <= np.diff(read[name]).nonzero()[0][0] <= 5
assert (read["noises"] == 3).all()

halfway = (first + last) / 2
print(f"|z| halfway: straight {np.linalg.norm(halfway):.1f}, along the sphere {np.linalg.norm(on_the_way[4]):.1f}")
assert np.linalg.norm(halfway) < 11 < 12 < np.linalg.norm(on_the_way[4])

# %% [markdown]
# ## Neighbours
#
# Which of the thousand digits are nearest to a given one, by the distance of their latents?
#
# You should see that the neighbours are the same digit, drawn alike. But for these digits the pixels say so nearly as
# well: Z is a smaller picture rather than a description. What a picture means is the text encoder's part.

# %%
by_latents, by_pixels = latents.reshape(1000, -1), digits.images.reshape(1000, -1) / 255.0


def neighbours(points):
    """For each point all others, the nearest first."""
    squares = (points**2).sum(axis=1)
    distances = squares[:, None] + squares - 2 * points @ points.T
    np.fill_diagonal(distances, np.inf)
    return distances.argsort(axis=1)


shares = {name: (digits.labels[neighbours(points)[:, :5]] == digits.labels[:, None]).mean()
          for name, points in (("latents", by_latents), ("pixels", by_pixels))}  # fmt: skip
print(", ".join(f"by {name} {share:.1%} of the five nearest are the same digit" for name, share in shares.items()))
assert shares["latents"] > 0.9 and abs(shares["latents"] - shares["pixels"]) < 0.08
asked = [np.flatnonzero(digits.labels == digit)[0] for digit in (2, 4, 5)]
nearest = neighbours(by_latents)
show_rows({f"a {digits.labels[i]}, five nearest": digits.images[[i, *nearest[i, :5]]] for i in asked}, "06_neighbours")

# %% [markdown]
# ## Try
#
# 1. Train the small VAE with weight 0.1. Where does it stand between 0.02 and 1?
#    Answer: the error is nearly that of weight 1, and clouds are so wide that most digits lie on top of each other.
# 2. Decode the mean of a hundred Z drawn from N(0, 1). Why is it smooth?
#    Answer: the mean of a hundred has a tenth of the deviation, so it is nearly the Z of all zeros.
# 3. `again_from` with t_start = 600 and 950: how many become nines, and what is left of the sevens' slant?
#    Answer: about half do from 600, with the slant they had; all do from 950, with slants of their own.
#
# ## Exercises
#
# 06.1 to 06.5 are the formulas of this chapter: the divergence, a draw that gradients pass, its gradient, the scale
# factor, the way along the sphere. 06.6 and 06.7 are questions with numbers of your own. `minisd course check 06.1`
# tries your file in a shell, `check("06.1", my_function)` a function here.
