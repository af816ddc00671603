# %% [markdown]
# # 11. How to measure a generative model
#
# Two models draw digits. Which one is better? Looking at ten pictures each tells little, and one picks the ten. This
# chapter measures: accuracy by a judge, with its error bar; the Fréchet distance, derived; precision and recall. Then
# we try to fool each of them, and all but one let themselves be fooled.
#
# You need chapter 10 (drawing) and what a covariance is. It takes about 20 seconds.

# %%
import math
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from minisd.course import mine, show
from minisd.data.strokes import draw_strokes
from minisd.evaluation import Judge
from minisd.metrics import coverage, frechet_distance, precision_and_recall, wilson_interval
from minisd.pipeline import Pipeline

rng = np.random.default_rng(0)
judge = Judge.load()

# %% [markdown]
# ## Accuracy, and how sure one is
#
# Ask for digits, let a judge read them, count. The judge is a classifier that was trained on real digits and never saw
# a drawing. Suppose 45 of 50 are read as asked: 90 %. If the model's true share is $p$, each drawing is right with the
# probability $p$; its variance is $p (1 - p)$, that of the mean of $n$ is an n-th of it. So the standard error is
#
# $$\sqrt{\frac{p (1 - p)}{n}} = \sqrt{\frac{0.9 \cdot 0.1}{50}} = 4.2\,\%$$
#
# and "90 %" means something from 80 to 97 %. Another model's 94 % of 50 is no better for all one knows. To tell 90 from
# 91 % one needs thousands of drawings.
#
# The rule of "plus and minus 1.96 standard errors" fails where it matters most, near 100 %: 20 of 20 would be 100 %
# plus and minus 0. Wilson (1927) asks instead for which $p$ the measured share would lie just 1.96 of **its** standard
# errors away. We try both on a model that is right 97 times of 100: how often does the interval from 20 drawings hold
# 97 %? It should do so 95 times of 100.

# %%
print("45 of 50: from {:.3f} to {:.3f}".format(*wilson_interval(45, 50)))
print("20 of 20: from {:.3f} to {:.3f}".format(*wilson_interval(20, 20)))

hits = rng.binomial(20, 0.97, size=2000)
half = 1.96 * np.sqrt(hits / 20 * (1 - hits / 20) / 20)
plain = float((abs(hits / 20 - 0.97) <= half).mean())
wilson = float(np.mean([low <= 0.97 <= high for low, high in (wilson_interval(int(h), 20) for h in hits)]))
print(f"the true share lies in the plain interval {plain:.0%} of the time, in Wilson's {wilson:.0%}")
assert plain < 0.6 and wilson > 0.9 and wilson_interval(20, 20)[0] < 0.85

# %% [markdown]
# ## Six drawers
#
# Now some to measure. Our data are digits drawn by code, 600 of them; six drawers claim to draw such digits.
#
# - **honest** draws from the same distribution: there is nothing better.
# - **blurred** draws what is honest, smeared, as a VAE or a sampler with one step does.
# - **noisy** leaves noise in it, as a sampler that stops too early does.
# - **ten pictures** knows one picture of each digit by heart, and draws these.
# - **no 5 to 9** draws well, but leaves out half of the digits. This and the last one are called mode collapse.
# - **copies** gives out the very pictures that it is measured against.


# %%
def blur(images):
    weights = np.array([1, 4, 6, 4, 1]) / 16
    x = np.pad(images.astype(float), ((0, 0), (2, 2), (2, 2)))
    for axis in (1, 2):
        x = sum(weight * np.roll(x, shift, axis) for shift, weight in enumerate(weights, start=-2))
    return np.rint(x[:, 2:-2, 2:-2]).astype(np.uint8)


real, fresh = draw_strokes(600, seed=1), draw_strokes(1200, seed=2)
honest, labels = fresh.images[:600], fresh.labels[:600]
by_heart = np.array([np.flatnonzero(labels == digit)[0] for digit in range(10)])
small = fresh.labels < 5
noise = rng.normal(0, 60, honest.shape)
drawers = {
    "honest": (honest, labels),
    "blurred": (blur(honest), labels),
    "noisy": (np.clip(honest + noise, 0, 255).astype(np.uint8), labels),
    "ten pictures": (honest[by_heart[labels]], labels),
    "no 5 to 9": (fresh.images[small], fresh.labels[small]),
    "copies": (real.images, real.labels),
}

figure = Figure(figsize=(8.5, 4.6), dpi=100, layout="constrained")
for (name, (images, _)), row in zip(drawers.items(), figure.subplots(6, 12), strict=True):
    row[0].set_ylabel(name, fontsize=10, rotation=0, ha="right", va="center")
    for image, panel in zip(images, row, strict=False):
        panel.imshow(image, cmap="gray", vmin=0, vmax=255)
        panel.set(xticks=[], yticks=[])
show(figure, "11_drawers")

accuracy = {name: float((judge.digits(images) == asked).mean()) for name, (images, asked) in drawers.items()}
for name, value in accuracy.items():
    print(f"{name:13} accuracy {value:.1%}")
assert all(accuracy[name] > 0.95 for name in ("honest", "blurred", "ten pictures", "no 5 to 9", "copies"))

# %% [markdown]
# By accuracy five of the six are about as good as it gets. A judge who only reads is content with whatever can be
# read: blur is no fault to it, and sameness is none either. Accuracy is necessary. It says nothing of whether the
# pictures look like the data, and nothing of how many different ones there are. For that one must compare
# distributions.
#
# ## The Fréchet distance
#
# Pixels are a poor place to compare in: shift a digit by one pixel and all is different. So one compares what a
# network sees in the pictures, its features: for our judge 64 numbers a picture, and two clouds of points with 64
# coordinates. How far apart are two clouds?
#
# Move one onto the other, and pay for each point the square of the way; the cheapest plan's mean price is the squared
# distance (Fréchet, or 2-Wasserstein). With $x$ the points, $y$ where they go, $\mu_a$ and $\mu_b$ the means, $C_a$ and
# $C_b$ the covariances, and $K$ the covariance of $x$ with $y$,
#
# $$E|x - y|^2 = |\mu_a - \mu_b|^2 + \text{tr}\, C_a + \text{tr}\, C_b - 2\, \text{tr}\, K$$
#
# The plan only decides on $K$. In one dimension it is at most $s_a s_b$, the product of the deviations, so the best is
# $(\mu_a - \mu_b)^2 + (s_a - s_b)^2$. In more dimensions $K = C_a^{1/2}\, U\, C_b^{1/2}$ with a matrix $U$ that makes
# no vector longer, and the largest trace is the sum of the singular values of $C_a^{1/2} C_b^{1/2}$. Those are the
# roots of the eigenvalues of $C_a C_b$; one writes
#
# $$d^2 = |\mu_a - \mu_b|^2 + \text{tr}\big(C_a + C_b - 2\, (C_a C_b)^{1/2}\big)$$
#
# (Dowson and Landau, 1982; Heusel et al., 2017). The root is a matrix's: $R R = C_a C_b$, and not that of each number.
# For Gaussians the cheapest plan is even a linear map, $y = \mu_b + A (x - \mu_a)$ with
#
# $$A = C_a^{-1/2}\, (C_a^{1/2} C_b\, C_a^{1/2})^{1/2}\, C_a^{-1/2}$$
#
# So let us move a cloud with it, point by point. You should see that the moved cloud has the other's covariance, and
# that the mean squared way is the distance.


# %%
def matrix_power(C, power):
    """Of a symmetric matrix with positive eigenvalues: a power of each of these."""
    values, vectors = np.linalg.eigh(C)
    return (vectors * values**power) @ vectors.T


a = rng.standard_normal((500, 3)) @ rng.standard_normal((3, 3))
b = rng.standard_normal((700, 3)) @ rng.standard_normal((3, 3)) + [1, 0, 2]
C_a, C_b = np.cov(a.T), np.cov(b.T)
root, inverse_root = matrix_power(C_a, 0.5), matrix_power(C_a, -0.5)
A = inverse_root @ matrix_power(root @ C_b @ root, 0.5) @ inverse_root
moved = b.mean(axis=0) + (a - a.mean(axis=0)) @ A.T

centred_way = (moved - b.mean(axis=0)) - (a - a.mean(axis=0))
price = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum() + (centred_way**2).sum() / (len(a) - 1)
print(f"mean squared way {price:.6f}, Fréchet distance {frechet_distance(a, b):.6f}")
assert np.allclose(np.cov(moved.T), C_b) and math.isclose(price, frechet_distance(a, b), rel_tol=1e-9)

# %% [markdown]
# ## Its bias
#
# Two samples of one distribution do not lie on each other. Their means differ by chance, and their covariances do, so
# the distance between them is never 0, and it is larger the fewer they are: about as 1 / N. In 64 dimensions a
# covariance has 2,080 numbers, and 100 points do not determine them.
#
# You should see the distance between honest digits and real ones, where nothing is to be found, fall as the number
# grows. So a Fréchet distance is a number only together with its N; one compares drawers at the same N, and beside
# them the floor: real against real.

# %%
features = {name: judge.features(images) for name, (images, _) in drawers.items()}
real_features = judge.features(real.images)
counts = [75, 150, 300, 600]
floor = []
for count in counts:
    picks = [(rng.permutation(600)[:count], rng.permutation(600)[:count]) for _ in range(8)]
    floor.append(float(np.mean([frechet_distance(real_features[i], features["honest"][j]) for i, j in picks])))
    print(f"{count:3} pictures: distance {floor[-1]:5.1f}, times their number {floor[-1] * count:,.0f}")
assert all(a > b for a, b in pairwise(floor)) and floor[0] > 4 * floor[-1]

figure = Figure(figsize=(5.5, 3.4), dpi=100, layout="constrained")
panel = figure.subplots()
panel.loglog(counts, floor, "o-", color="tab:blue")
panel.loglog(counts, [floor[0] * counts[0] / n for n in counts], "--", color="0.6")
panel.text(400, floor[0] * counts[0] / 330, "1 / N", color="0.4", fontsize=11)
panel.set(xlabel="pictures on each side", xticks=counts, xticklabels=counts, yticks=(3, 10, 30))
panel.set(yticklabels=("3", "10", "30"))
panel.minorticks_off()
panel.set_title("Fréchet distance of two samples of the same digits", fontsize=11)
show(figure, "11_bias")

# %% [markdown]
# ## Precision and recall
#
# One distance mixes two faults: pictures that do not look real, and real pictures that are never drawn. To tell them
# apart one needs the shape of a cloud. Kynkäänniemi et al. (2019) draw a ball around each point, up to its k-th nearest
# neighbour, and call the union of all balls the cloud:
#
# - **precision**: the share of the drawn points that lie in the real cloud. Does what is drawn look real?
# - **recall**: the share of the real points that lie in the drawn cloud. Does what is real get drawn?
#
# Below, in two dimensions, the real points (blue) form two groups; the drawn ones (red) form one of them, and a few
# have strayed. You should see balls that cover the one group, and the other left bare: nearly all but the strays
# look real, and half of the real points are never drawn.

# %%
real_points = np.concatenate([rng.normal((-2, 0), 0.6, (40, 2)), rng.normal((2, 0), 0.6, (40, 2))])
drawn_points = np.concatenate(
    [rng.normal((-2, 0), 0.6, (36, 2)), [(-0.4, 2.6), (-3.6, -2.5), (-4.6, 1.8), (0.1, -2.2)]]
)
precision, recall = precision_and_recall(real_points, drawn_points, k=3)
print(f"precision {precision:.2f}, recall {recall:.2f}")
assert 0.8 < precision <= 36 / 40 and 0.5 < recall < 0.7

figure = Figure(figsize=(8.6, 4.2), dpi=100, layout="constrained")
clouds = {"precision: drawn points in real balls": (real_points, drawn_points, "tab:blue", "tab:red")}
clouds["recall: real points in drawn balls"] = (drawn_points, real_points, "tab:red", "tab:blue")
for (title, (centres, points, colour, other)), panel in zip(clouds.items(), figure.subplots(1, 2), strict=True):
    distances = np.sqrt(((centres[:, None] - centres) ** 2).sum(axis=-1))
    for centre, radius in zip(centres, np.sort(distances, axis=1)[:, 3], strict=True):
        panel.add_patch(Circle(centre, radius, color=colour, alpha=0.12, linewidth=0))
    panel.plot(*points.T, "o", color=other, markersize=4)
    panel.set(xlim=(-7.5, 4.5), ylim=(-5.2, 5.2), aspect="equal", xticks=[], yticks=[])
    panel.set_title(title, fontsize=11)
show(figure, "11_balls")

# %% [markdown]
# Look at the strays on the right: one stray point has a far third neighbour, so its ball is huge, and real points that
# nobody drew lie in it by accident. Recall is easily too large. Coverage (Naeem et al., 2020) takes the balls around
# the real points only, and asks in how many of these a drawn point lies.

# %%
covered = coverage(real_points, drawn_points, k=3)
print(f"coverage {covered:.2f}: the half that is drawn")
assert covered < 0.55 and covered < recall

# %% [markdown]
# ## All numbers of all drawers
#
# You should see that every drawer is caught by some number, but one:
#
# - blur and noise by precision, and by the distance;
# - ten pictures by recall: not one real digit lies in its balls, which have the radius 0;
# - the missing half by recall and coverage, at about a half, and by nothing else as clearly;
# - the copies by none: they are perfect in everything. No distance to the data can tell learning from remembering. For
#   that one keeps data that the model never saw, and looks for the nearest training picture of each drawing.

# %%
print(f"{'':13} accuracy  Fréchet  precision  recall  coverage")
table = {}
for name, cloud in features.items():
    precision, recall = precision_and_recall(real_features, cloud)
    distance, covered = frechet_distance(real_features, cloud), coverage(real_features, cloud)
    table[name] = {"frechet": distance, "precision": precision, "recall": recall, "coverage": covered}
    print(f"{name:13} {accuracy[name]:8.1%} {distance:8.1f} {precision:10.2f} {recall:7.2f} {covered:9.2f}")

assert all(
    table[name]["frechet"] > 5 * table["honest"]["frechet"] for name in features if name not in ("honest", "copies")
)
assert max(table[name]["precision"] for name in ("blurred", "noisy")) < 0.5 < table["honest"]["precision"]
assert table["ten pictures"]["recall"] < 0.05 and table["ten pictures"]["precision"] > 0.8
assert 0.3 < table["no 5 to 9"]["recall"] < 0.6 and table["no 5 to 9"]["precision"] > 0.8
assert table["copies"]["frechet"] < 1e-6 and table["copies"]["recall"] == table["copies"]["precision"] == 1

# %% [markdown]
# ## The shipped model, in small
#
# At last a real model, with 200 drawings in 20 steps, without guidance and with much of it. The judge reads them, and
# its features say how much they vary within a digit. Three things to see. The error bars of the two accuracies overlap:
# 200 drawings cannot tell which is better. The variety can: guidance pays with it. And the Fréchet distance to our
# digits is far above the floor, although the drawings are good: the model learned from handwriting, and our digits are
# drawn by code. A distance is always one to a data set, seen by a certain network. FID values from papers, seen by
# another network, cannot be compared with ours.

# %%
pipeline = Pipeline.load()
asked = np.tile(np.arange(10), 20)
floor = frechet_distance(real_features[:200], features["honest"][:200])
prompts = [f"the digit {digit}" for digit in asked]
variety, intervals = {}, {}
for scale in (1.0, 4.0):
    drawn = pipeline.draw(prompts, seed=5, steps=20, guidance=scale)
    right, cloud = int((judge.digits(drawn) == asked).sum()), judge.features(drawn)
    low, high = intervals[scale] = wilson_interval(right, 200)
    variety[scale] = float(np.mean([cloud[asked == digit].var(axis=0, ddof=1).mean() for digit in range(10)]))
    away = frechet_distance(real_features[:200], cloud)
    print(
        f"guidance {scale:g}: {right} of 200 read as asked, so {low:.1%} to {high:.1%}; variety {variety[scale]:.2f}; "
        f"distance to our digits {away:.0f}, floor {floor:.0f}"
    )
    assert right > 180 and away > 1.5 * floor
assert intervals[1.0][1] > intervals[4.0][0]
assert variety[4.0] < 0.8 * variety[1.0]

# %% [markdown]
# With MNIST at hand `minisd eval` does all of this with 1,000 drawings, beside the floor.
#
# ## Exercises
#
# 11.1 is the Fréchet distance, 11.2 recall, 11.3 an accuracy with its error bar, 11.4 the table of what is taken for
# what. 11.5 and 11.6 want a number: how sure, and how many drawings for it. In a shell: `minisd course check 11.1`;
# here: `check("11.1", frechet_distance)`.
#
# ## Try
#
# 1. Draw with `steps=1`. What do accuracy and precision say of it?
# 2. What does a drawer get who draws every second picture honestly and every second one blurred? Answer: halves of
#    everything, but a recall that is as good as the honest one's: the balls of the honest half are all there.
# 3. Which digits does the judge confuse in the blurred ones? `confusion` of 11.4 tells.

# %%
mixed = np.concatenate([features["honest"][::2], features["blurred"][1::2]])
precision, recall = precision_and_recall(real_features, mixed)
print(f"half blurred: precision {precision:.2f}, recall {recall:.2f}")
assert recall > 0.8 * table["honest"]["recall"] and precision < 0.7

read = judge.digits(drawers["blurred"][0])
table_of_counts = mine("11.4")(labels, read)
assert table_of_counts.sum() == 600 and np.trace(table_of_counts) == (read == labels).sum()
