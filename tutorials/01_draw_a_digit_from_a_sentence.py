# %% [markdown]
# # 1. Draw a digit from a sentence
#
# You write "a thick seven leaning right" and get a picture. Between the two stand four parts, the same four as in
# Stable Diffusion:
#
#     sentence -> tokenizer and text encoder (CLIP) -> context
#                                                         |
#     random numbers z_T -> U-Net, again and again: z_T, ..., z_t, ..., z_0 -> decoder (of the VAE) -> picture
#
# We walk through all of them with a small trained model that comes with minisd, and then write the loop ourselves.
#
# You need some Python and NumPy, and minisd installed (`pip install -e .` in its folder). It takes twenty minutes to
# read. Running it takes half a minute on two cores, and the first time a minute more, because the kernels are compiled.
# What goes by quickly here, later chapters take apart: each section says which.

# %%
import math
from itertools import pairwise

import numpy as np

from minisd.autograd import Tensor, no_grad
from minisd.course import show
from minisd.diffusion.guidance import guided
from minisd.diffusion.prediction import x_0_and_noise
from minisd.diffusion.samplers import initial_noise, sample_rngs
from minisd.diffusion.spacing import timesteps
from minisd.evaluation import Judge
from minisd.models.vae import VAE
from minisd.pictures import to_bytes
from minisd.pipeline import Pipeline
from minisd.plots import draw_rows

# %% [markdown]
# ## The whole thing
#
# One call does everything. Pictures are (N, 28, 28), one byte for each pixel.
#
# You should see four thick sevens, no two alike, whose stems all lean to the right. A second network, trained on real
# digits to read them, is our judge.

# %%
pipeline, judge = Pipeline.load(), Judge.load()
sentence = "a thick seven leaning right"
sevens = pipeline(sentence, num=4, seed=7, sampler="ddim", steps=25)
print(f"{sentence!r} -> {sevens.shape} {sevens.dtype}")
assert sevens.shape == (4, 28, 28) and sevens.dtype == np.uint8 and (judge.digits(sevens) == 7).all()
show(draw_rows({sentence: sevens}), "01_sevens")


def middle_of(rows):
    """Where the ink of these rows has its middle, in columns."""
    return (rows * np.arange(28)).sum(axis=(1, 2)) / rows.sum(axis=(1, 2))


assert (middle_of(sevens[:, 12:16] + 0.0) > middle_of(sevens[:, 19:23] + 0.0) + 0.5).all()  # the stems lean right
thin = pipeline("a thin seven leaning right", num=4, seed=7, sampler="ddim", steps=25)
assert sevens.mean() > 1.4 * thin.mean()  # and are thick

# %% [markdown]
# ## From words to numbers
#
# A network computes with numbers, so the sentence is cut into tokens, and every token has an id: its row in a table.
# `</w>` marks the end of a word. A start token comes first. The end token follows the sentence and fills the row up, so
# that all sentences have the same length M: ids (B, M). Chapter 7 shows how the tokens are found.

# %%
tokenizer, context_length = pipeline.tokenizer, pipeline.clip.config.context_length
ids, _ = tokenizer([sentence], context_length)
print("\ntokens", [tokenizer.symbols[i] for i in ids[0, :8]], "...")
print("ids   ", ids[0, :8].tolist(), "...  shape", ids.shape)
assert ids.shape == (1, context_length) and tokenizer.decode(ids[0]) == sentence

# %% [markdown]
# ## From ids to vectors
#
# The text encoder replaces every id by a vector of 64 numbers, and lets every token read the tokens before it. So there
# are two results:
#
#     context (B, M, D), D = 64    one vector for each token
#     pooled  (B, E),    E = 64    one vector for the whole sentence
#
# (Chapter 7 builds it, and chapter 8 the attention by which tokens read each other.)
#
# A popular overview says that the encoder gives out a one-hot code. It does not: a one-hot code times the table is one
# way to explain the look-up at its entrance. What comes out is dense, and it depends on the other words.
#
# You should see that "seven" has one id but two vectors, after "thick" and after "thin". The tokens before the changed
# word keep theirs, because no token reads what follows it.

# %%
context, pooled = pipeline.encode_prompts([sentence])
print("\ncontext", context.shape, " pooled", pooled.shape)
assert context.shape == (1, context_length, 64) and pooled.shape == (1, 64)

thick, thin = pipeline.encode_prompts(["a thick seven", "a thin seven"]).context
for position, word in enumerate(["start", "a", "thick | thin", "seven"]):
    print(f"  {word:13} the two vectors differ by {np.linalg.norm(thick[position] - thin[position]):.2f}")
assert np.allclose(thick[:2], thin[:2]) and not np.allclose(thick[3], thin[3])

# %% [markdown]
# ## z_T: a point in a space of 196 dimensions
#
# The picture is not drawn among pixels but among latents: Z has 7 x 7 x 4 numbers, 196 in all, against the picture's
# 784. Z is a point in a space of 196 dimensions. The first one, z_T, is drawn from the normal distribution N(0, 1),
# number by number.
#
# The sum of 196 squares of such numbers is about 196. So almost every z_T lies at a distance of about
# $\sqrt{196} = 14$ from the origin: a shell, not a cloud around the middle.
#
# You should see a mean distance close to 14, and that it hardly varies.

# %%
z_T = initial_noise(pipeline.latent_shape, sample_rngs(seed=7, count=1))
many = initial_noise(pipeline.latent_shape, sample_rngs(seed=8, count=1000)).reshape(1000, -1)
distances = np.linalg.norm(many, axis=1)
print(f"\nz_T {z_T.shape}, {z_T.size} numbers")
print(f"1000 draws: mean {many.mean():.3f}, standard deviation {many.std():.3f}")
print(f"distance from the origin {distances.mean():.2f}, give or take {distances.std():.2f}")
assert z_T.shape == (1, 7, 7, 4) and z_T.size == 196
assert abs(many.mean()) < 0.02 and abs(many.std() - 1) < 0.02
assert abs(distances.mean() - 14) < 0.2 and distances.std() < 1

# %% [markdown]
# What does the decoder make of a random Z, before any step? It turns every Z into some picture. The first row below is
# decoded by an untrained decoder, the second by the trained one. (Chapter 6 is about this space, and trains one.)
#
# You should see static in the first row: no pixel knows its neighbour. The second row has ink and ground, as the
# decoder has learned them, but no digit. A digit is a rare point among all the Z, and finding it is what the U-Net is
# for.


# %%
def neighbours_alike(images):
    """Correlation of every pixel with its neighbour to the right: 1 for smooth pictures, 0 for static."""
    return np.corrcoef(images[:, :, :-1].ravel(), images[:, :, 1:].ravel())[0, 1]


z_random = initial_noise(pipeline.latent_shape, sample_rngs(seed=7, count=4))
untrained = VAE(pipeline.vae.config, rng=np.random.default_rng(0))
with no_grad():
    static = to_bytes(untrained.decode(Tensor(z_random)).data)
blots = pipeline.decode(z_random)
show(draw_rows({"untrained": static, "trained": blots}), "01_random_z")
print(f"neighbouring pixels: untrained {neighbours_alike(static):.2f}, trained {neighbours_alike(blots):.2f}")
assert abs(neighbours_alike(static)) < 0.2 and neighbours_alike(blots) > 0.3

# %% [markdown]
# ## One step: what is noise in here?
#
# Training mixed clean latents $z_0$ with noise, more of it for larger t (Ho et al. 2020, eq. 4):
#
# $$z_t = \alpha_t\, z_0 + \sigma_t\, \text{noise}, \qquad \alpha_t^2 + \sigma_t^2 = 1$$
#
# At t = 0 it is almost all picture, at t = 999 almost all noise. The U-Net gets $z_t$, t and the sentence's vectors,
# and says what the noise is. Take the noise away, and what remains is its guess of the clean latents:
#
# $$z_0 = (z_t - \sigma_t\, \text{noise}) / \alpha_t$$
#
# So the U-Net does not paint. It tells noise from picture. Chapter 9 says why, plots the two rates, and trains one.
#
# Differs: the first Stable Diffusion's U-Net gives out the noise itself, where ours gives out a mixture of noise and
# picture, $v = \alpha_t\, \text{noise} - \sigma_t\, z_0$ ("v-prediction"). Two mixtures of the same two things tell
# both: with $z_t$ known, noise and $z_0$ follow from v. Chapter 9 derives how, and why it is the better question at
# t = 999, where $\alpha_t$ is almost 0 and cannot be divided by.
#
# You should see that at t = 999 the predicted noise is z_T itself, almost.


# %%
def predict(z_t, t, prompt):
    """What the U-Net makes of z_t at time t: the latents z_0 and the noise that it sees in it."""
    v = pipeline.predict(z_t, np.full(len(z_t), t), prompt)
    _, alpha, sigma = pipeline.schedule.level(t)
    return x_0_and_noise(pipeline.info.prediction, v, z_t, alpha, sigma)


prompt = pipeline.encode_prompts([sentence])
z_0_pred, noise_pred = predict(z_T, 999, prompt)
likeness = np.corrcoef(noise_pred.ravel(), z_T.ravel())[0, 1]
print(f"\nz_t {z_T.shape} -> noise {noise_pred.shape}; correlation of the noise with z_T at t = 999: {likeness:.3f}")
assert noise_pred.shape == z_T.shape and likeness > 0.95

alpha, sigma = pipeline.schedule.rates(500, z_T)
z_0_pred, noise_pred = predict(z_T, 500, prompt)
assert np.allclose(z_T, alpha * z_0_pred + sigma * noise_pred, atol=1e-4)  # the two parts add up to z_t
assert np.allclose(z_0_pred, (z_T - sigma * noise_pred) / alpha, atol=1e-4)  # what remains without the noise

# %% [markdown]
# ## Twenty-five steps: the sampler
#
# The first guess of $z_0$ is poor: in pure noise there is little to see. So we do not jump there. We go back to the
# next smaller t, by mixing the guess with the same noise again, but less of it, and ask anew (DDIM: Song et al. 2021,
# eq. 12; chapter 10 derives it):
#
# $$z_{\text{prev}} = \alpha_{\text{prev}}\, z_0 + \sigma_{\text{prev}}\, \text{noise}$$
#
# The sentence gets more weight by asking twice, with it and without, and going on along the difference
# ("classifier-free guidance", Ho and Salimans 2022; chapter 10 derives it, and measures its price):
#
# $$\text{noise} = \text{noise}_{\text{without}} + \text{scale} \cdot
# (\text{noise}_{\text{with}} - \text{noise}_{\text{without}})$$
#
# and $z_0$ likewise. Our model does so only in the middle of the way, for 300 <= t < 800. Elsewhere it takes the scale
# 1, which is the prediction with the sentence as it is, and keeps more variety (Kynkäänniemi et al. 2024).
#
# This is the whole sampler. You should see that it draws what `pipeline` draws.


# %%
def draw(z_t, prompt, times, guidance_scale):
    """Walk z_t down through `times` to the clean latents; returns those, and (t, z_t, z_0_pred) of every step."""
    no_prompt = pipeline.encode_prompts([""] * len(z_t))
    history = []
    for t, t_prev in pairwise([*times, -1]):  # -1: the clean picture
        with_prompt, without = predict(z_t, t, prompt), predict(z_t, t, no_prompt)
        scale = guidance_scale if low <= t < high else 1.0
        z_0_pred = guided(with_prompt[0], without[0], scale)
        noise_pred = guided(with_prompt[1], without[1], scale)
        history.append((t, z_t, z_0_pred))
        _, alpha_prev, sigma_prev = pipeline.schedule.level(t_prev)
        z_t = alpha_prev * z_0_pred + sigma_prev * noise_pred
    return z_t, history


guidance_scale, (low, high) = pipeline.info.guidance, pipeline.info.guidance_interval
z_0, history = draw(z_T, prompt, timesteps(1000, 25), guidance_scale)
ours = pipeline.decode(z_0)
theirs = sevens[:1]
difference = abs(ours.astype(int) - theirs.astype(int)).max()
print(f"\nour loop and the pipeline's: pixels of 0 to 255 differ by at most {difference}")
assert difference <= 2  # two orders of the same sums may round differently

# %% [markdown]
# Now watch it. The upper row is z_t, decoded as it is. The lower row is z_0 as the U-Net guesses it at that t.
#
# You should see the noise thin out above, over the whole way. Below, the first guess is smooth: in pure noise the U-Net
# can only answer with an average of the sevens that it knows. Then it comes nearer to the final one with every step:
# the numbers below are its distance.

# %%
moments = [history[step] for step in (0, 4, 8, 12, 16, 20, 24)]
noisy, guessed = (np.concatenate([pipeline.decode(moment[k]) for moment in moments]) for k in (1, 2))
show(draw_rows({"z_t": noisy, "guess of z_0": guessed}, [f"t = {t}" for t, _, _ in moments]), "01_steps")

to_go = [float(np.linalg.norm(z_0_pred - z_0)) for _, _, z_0_pred in moments]
print("distance of the guessed z_0 from the final one:", ", ".join(f"{distance:.1f}" for distance in to_go))
assert all(earlier > later for earlier, later in pairwise(to_go)) and to_go[-1] < 0.1 * to_go[0]

# %% [markdown]
# ## The seed, and what it does not say
#
# The seed fixes z_T, and DDIM draws nothing else at random. The same seed and sentence give the same picture, byte for
# byte, alone or among others.
#
# Some say that one noise "is" a girl and another one a boy. The noise has no such class: from one z_T every sentence
# gets its digit.
#
# You should see a column for each z_T, and in every column a 3, a 7 and an 8, though two of the 8 are not quite closed.
# The judge reads all twelve so. (It is not always all: chapter 11 measures how often.)

# %%
again = pipeline(sentence, seed=7, sampler="ddim", steps=25)
assert (again == theirs).all() and (pipeline(sentence, seed=70, sampler="ddim", steps=25) != theirs).any()
print("\nthe same seed gives the same picture")

sentences = ["a three", "a seven", "an eight"]
from_same_noise = {text: pipeline(text, num=4, seed=1, steps=20) for text in sentences}
show(draw_rows(from_same_noise, [f"z_T no. {k}" for k in (1, 2, 3, 4)]), "01_same_noise")
for text, digit in zip(sentences, (3, 7, 8), strict=True):
    assert (judge.digits(from_same_noise[text]) == digit).all()

# %% [markdown]
# ## Guidance
#
# At guidance scale 1 the formula leaves the prediction with the sentence, unchanged. Above 1 it overstates what the
# sentence adds. Pictures follow the sentence more closely, and vary less.
#
# You should see ten digits from the same ten z_T, three times over, and that sixteen sevens are more alike at 4 than at
# 1.

# %%
assert np.allclose(guided(noise_pred, z_T, 1.0), noise_pred, atol=1e-5)

digits = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
prompts = [f"an {digit}" if digit == "eight" else f"a {digit}" for digit in digits]
rows = {scale: pipeline.draw(prompts, seed=7, steps=20, guidance=scale) for scale in (1.0, guidance_scale, 4.0)}
show(draw_rows({f"scale {scale:g}": images for scale, images in rows.items()}, digits), "01_guidance")
for scale, images in rows.items():
    right = int((judge.digits(images) == np.arange(10)).sum())
    print(f"guidance scale {scale:3g}: the judge reads {right} of 10 as asked")
    assert right >= 7

free, bound = [
    pipeline.draw(["a seven"] * 16, seed=7, steps=20, guidance=scale).std(axis=0).mean() for scale in (1.0, 4.0)
]
print(f"how much a pixel varies over sixteen sevens: {free:.1f} at scale 1, {bound:.1f} at scale 4")
assert bound < free

# %% [markdown]
# ## And the encoder?
#
# A popular overview says that random noise goes through the encoder and becomes Z. It does not: you saw that z_T is
# drawn among the latents directly. The encoder turns pictures into latents. It is needed to train the U-Net, and when
# you start from a picture (image-to-image):
#
#     text-to-image:     z_T ~ N(0, 1)                        -> steps from t = 999  -> decoder
#     image-to-image:    picture -> encoder -> z_0 -> z_t     -> steps from that t   -> decoder
#
# Below we encode a seven, add noise up to t = 800 in four ways, and go on with another sentence.
#
# You should see that the seven comes back from its latents almost unchanged, that at t = 800 little of it is left, and
# nines that were made of that.

# %%
seven = sevens[:1]
z_0 = pipeline.encode(seven)
back = pipeline.decode(z_0)
error = abs(back.astype(float) - seven).mean()
print(f"\npicture {seven.shape} -> latents {z_0.shape} -> picture {back.shape}: off by {error:.1f} of 255 on average")
assert z_0.shape == (1, 7, 7, 4) and error < 10

noise = initial_noise(
    pipeline.latent_shape, sample_rngs(seed=8, count=4)
)  # not seed 7: that noise made this very seven
z_t = pipeline.schedule.add_noise(z_0, noise, 800)
z_new, _ = draw(z_t, pipeline.encode_prompts(["a thick nine"] * 4), timesteps(801, 20), guidance_scale)
nines = pipeline.decode(z_new)
sheet = np.concatenate([seven, back, pipeline.decode(z_t[:1]), nines])
headings = ["picture", "and back", "t = 800", *["nine"] * 4]
show(draw_rows({"": sheet}, headings), "01_image_to_image")
print("the judge reads", judge.digits(nines).tolist())
assert (judge.digits(nines) == 9).sum() >= 3

# %% [markdown]
# ## Try
#
# 1. Draw with `steps=5` and `steps=2`. How few steps still give a digit? Where does the time go?
# 2. Draw halfway between two seeds: `draw` from (z_a + z_b) / 2. Why is that too close to the origin, and what does
#    division by sqrt(1/2) repair?
# 3. Ask for "a fluffy seven". Read the warning. Why can the model not know the word?
# 4. In the last cell, replace 800 by 300 and by 950 (and 801 with it). What does t decide?
#
# Answers: 1: the judge reads even those of one step, which are smooth averages; strokes of their own take about ten.
# The time goes into the U-Net, twice a step with guidance. 2: the mean of two independent numbers has half the
# variance, so it lies at a distance of 10; the division makes it 14 again. 3: it was in no caption of the training
# data. 4: how much of the old picture is kept.

# %%
z_a, z_b = many[:500], many[500:]
halfway = np.linalg.norm((z_a + z_b) / 2, axis=1).mean()
print(f"\nhalfway between two z_T: {halfway:.1f} from the origin; divided by sqrt(1/2): {halfway / math.sqrt(0.5):.1f}")
assert abs(halfway - 9.9) < 0.2 and abs(halfway / math.sqrt(0.5) - 14) < 0.3

# %% [markdown]
# ## Exercises
#
# This chapter has none: it is the map. From chapter 2 on each has its own, checked on your machine by
# `minisd course check 02.1`, or `check("02.1", ...)` in a cell.
