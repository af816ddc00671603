# %% [markdown]
# # 4. Autograd, from a number to a tape
#
# A network has a hundred thousand weights, and training wants to know of each: if it grows a little, does the loss rise
# or fall, and how fast? Trying them one by one would take two runs of the network for each weight. There is a way that
# takes about as long as two or three runs for all of them together. It is the chain rule, done from the end, and a
# program that does it by itself is called autograd.
#
# You need to know what a derivative is. It takes half an hour to read, and a few seconds to run; the exercises are a
# day's work.

# %%
import time

import numpy as np
from matplotlib.figure import Figure

from minisd import ops
from minisd.autograd import Tensor, no_grad, recorded, unbroadcast
from minisd.autograd.arithmetic import Multiply
from minisd.autograd.tape import Function
from minisd.course import show, source
from minisd.models.unet_classic import UNetClassic, UNetClassicConfig

rng = np.random.default_rng(0)

# %% [markdown]
# ## One number depends on another by several ways
#
# Take $z = x y + x$ at $x = 2$, $y = 5$, and compute it in small steps:
#
# $$p = x\,y = 10, \qquad z = p + x = 12$$
#
# Each step is so simple that its derivatives are known: $\partial p / \partial x = y$, $\partial p / \partial y = x$,
# and those of a sum are 1. If $x$ grows by a little $dx$, then $p$ grows by $y\,dx$, and $z$ by that and by $dx$ again,
# because $x$ goes into $z$ by two ways. Along a way derivatives multiply, and the ways add up:
#
# $$\frac{dz}{dx} = \sum_{\text{ways from } x \text{ to } z} \;\; \prod_{\text{steps of the way}} \text{derivative}
# = 1 \cdot y + 1 = 6$$
#
# That is the whole chain rule. You should see the same numbers when x and y are really moved.

# %%
x, y = 2.0, 5.0


def z_of(x, y):
    p = x * y
    return p + x


little = 1e-6
print("dz/dx:", 1 * y + 1, "by the ways,", round((z_of(x + little, y) - z_of(x, y)) / little, 3), "by moving x")
print("dz/dy:", 1 * x, "by the ways,", round((z_of(x, y + little) - z_of(x, y)) / little, 3), "by moving y")
assert abs((z_of(x + little, y) - z_of(x, y)) / little - 6) < 1e-3
assert abs((z_of(x, y + little) - z_of(x, y)) / little - 2) < 1e-3

# %% [markdown]
# ## Why from the end
#
# Ways are many. In $a_1 = a_0 + a_0$, $a_2 = a_1 + a_1$, ..., every step doubles them, and after 40 steps there are a
# million millions. But most of them share their ends. So begin at the result, whose derivative by itself is 1, and
# give every node one number, its gradient: the derivative of the result by this node. A node hands to each of its
# inputs its own gradient times one derivative, and a node that is used several times adds up what it is handed:
#
# $$\text{grad}_{\text{input}} \mathrel{+}= \text{grad}_{\text{node}} \cdot
# \frac{\partial\, \text{node}}{\partial\, \text{input}}$$
#
# Every step is met once, however many ways there are. From the front one could do the same, but for one input at a
# time. A network has one loss and many weights: that is why the end is the right place to begin.
#
# You should see 40 steps of work for 1,099,511,627,776 ways.

# %%
gradient, steps = 1, 0  # of the result, a_40
for _ in range(40):
    gradient = gradient * 1 + gradient * 1  # a_k is used twice, and each use hands back
    steps += 1
print(f"\nd a_40 / d a_0 = {gradient:,}, found in {steps} steps")
assert gradient == 2**40 == 1_099_511_627_776


# %%
def draw_node(panel, at, name, value, gradient, colour="#dbe7f5"):
    panel.text(*at, f"{name} = {value}", ha="center", va="center", fontsize=14,
               bbox={"boxstyle": "round,pad=0.5", "facecolor": colour, "edgecolor": "0.4"})  # fmt: skip
    panel.text(at[0], at[1] - 0.38, f"gradient {gradient}", ha="center", va="center", fontsize=13, color="#b03a2e")


figure = Figure(figsize=(9.5, 3.6), dpi=100, layout="constrained")
panel = figure.subplots()
places = {"x": (0, 1.7), "y": (0, 0.3), "p": (2.6, 0.7), "z": (5.2, 1.5)}
for start, end, text, beside in (
    ("x", "p", "y = 5", (1.35, 1.38)),
    ("y", "p", "x = 2", (1.3, 0.17)),
    ("p", "z", "1", (3.95, 0.83)),
    ("x", "z", "1", (2.6, 1.87)),
):
    style = {"arrowstyle": "-|>,head_width=0.4,head_length=0.8", "color": "0.4", "shrinkA": 34, "shrinkB": 62}
    panel.annotate("", places[end], places[start], arrowprops=style)
    panel.text(*beside, text, fontsize=13, ha="center", color="0.25")
draw_node(panel, places["x"], "x", 2, "5 · 1 + 1 = 6")
draw_node(panel, places["y"], "y", 5, "2 · 1 = 2")
draw_node(panel, places["p"], "p = x y", 10, "1 · 1 = 1")
draw_node(panel, places["z"], "z = p + x", 12, "1", "#e3f0dc")
panel.set(xlim=(-0.9, 6.1), ylim=(-0.35, 2.25))
panel.axis("off")
show(figure, "04_graph")

# %% [markdown]
# Numbers are computed from the left to the right; gradients, in red, from the right to the left. On each arrow stands
# the derivative of its step. x is handed 5 by p and 1 by z.
#
# ## In which order
#
# In the figure z must hand back first, then p, then x and y. x may not hand anything on before both of its uses have
# handed theirs; if it had been computed from something itself, that would get too little. So the walk needs an order in
# which every node comes after all that it was used for: the order of computing, turned round. Such an order is
# called topological.
#
# The library keeps all that: a `Tensor` remembers the operation that made it, the operation remembers its inputs, and
# `backward` walks. This memory is the tape.

# %%
x, y = Tensor(np.array(2.0), requires_grad=True), Tensor(np.array(5.0), requires_grad=True)
z = x * y + x
print("\non the tape:", [type(node.function).__name__ for node in recorded(z)])
z.backward()
print("gradients:", x.grad, y.grad)
assert z.data == 12 and x.grad == 6 and y.grad == 2
assert [type(node.function).__name__ for node in recorded(x * y + x)] == ["Multiply", "Add"]

# %% [markdown]
# This is how an operation gets on the tape. `forward` computes, and keeps what the way back will need; and only if some
# input wants a gradient, the result remembers the function that made it:

# %%
source(Function.apply)

# %% [markdown]
# An operation is then two short methods. For the product of two arrays, number by number:

# %%
source(Multiply)

# %% [markdown]
# ## What was repeated is summed
#
# What does `unbroadcast` do there? NumPy repeats a smaller array to fit a larger one. In $y_{ij} = x_{ij} + b_j$ the
# number $b_j$ is used in every row i, and a number that is used several times adds up what it is handed:
#
# $$\frac{\partial L}{\partial b_j} = \sum_i \frac{\partial L}{\partial y_{ij}}$$
#
# So the gradient of repeating is summing. (And the gradient of summing is repeating: each is the other's transpose.)
#
# You should see a bias of 3 numbers get 3 numbers, each the sum of a column.

# %%
grad_y = np.array([[1.0, 10.0, 100.0], [2.0, 20.0, 200.0]])
print("\n", grad_y, "->", unbroadcast(grad_y, (3,)))
x, b = Tensor(np.zeros((2, 3)), requires_grad=True), Tensor(np.zeros(3), requires_grad=True)
(x + b).backward(grad_y)
assert b.grad.tolist() == [3, 30, 300] and (x.grad == grad_y).all()

# %% [markdown]
# ## A product of matrices
#
# $C = A B$ means $C_{nm} = \sum_k A_{nk} B_{km}$. The number $A_{nk}$ goes into all of row n of C, each time times a
# number of row k of B. Add up what these hand back:
#
# $$\frac{\partial L}{\partial A_{nk}} = \sum_m \frac{\partial L}{\partial C_{nm}}\, B_{km}
# \quad\text{that is}\quad \frac{\partial L}{\partial A} = \frac{\partial L}{\partial C}\, B^T,
# \qquad\text{and likewise}\quad \frac{\partial L}{\partial B} = A^T\, \frac{\partial L}{\partial C}$$
#
# On paper the shapes alone nearly decide it: (N, M) times (M, K) is the only product of the two that has A's shape,
# (N, K).

# %%
A, B = (Tensor(rng.standard_normal(shape), requires_grad=True) for shape in ((4, 3), (3, 5)))
grad_C = rng.standard_normal((4, 5))
(A @ B).backward(grad_C)
assert np.allclose(A.grad, grad_C @ B.data.T) and np.allclose(B.grad, A.data.T @ grad_C)

# %% [markdown]
# ## Is it right? Move it and see
#
# Derivatives by hand go wrong easily, and a network with a wrong gradient often learns all the same, only worse. So
# every gradient in minisd is held against a measurement. Taylor's series says how good that can be:
#
# $$f(x \pm h) = f(x) \pm h f'(x) + \tfrac{h^2}{2} f''(x) \pm \tfrac{h^3}{6} f'''(x) + \dots$$
#
# $$\frac{f(x + h) - f(x)}{h} = f'(x) + \tfrac{h}{2} f''(x) + \dots \qquad
# \frac{f(x + h) - f(x - h)}{2h} = f'(x) + \tfrac{h^2}{6} f'''(x) + \dots$$
#
# Moving to both sides makes the error shrink with the square of h. But h must not be too small either: f itself is
# rounded at about the 16th digit, and a rounding error divided by a small h is large.
#
# You should see two valleys. The lower one is that of both sides: more digits are right, and at a larger h.

# %%
weights = {
    "w1": rng.standard_normal((2, 16)),
    "b1": 0.1 * rng.standard_normal(16),
    "w2": rng.standard_normal((16, 3)) / 4,
    "b2": np.zeros(3),
}
points, classes = rng.standard_normal((20, 2)), rng.integers(0, 3, 20)


def loss_of(w):
    """A network of two layers and its loss; `w` are tensors."""
    hidden = ops.silu(ops.linear(Tensor(points), w["w1"], w["b1"]))
    return ops.cross_entropy(ops.linear(hidden, w["w2"], w["b2"]), classes)


def loss_at(name, place, moved_by):
    """The loss with one weight moved."""
    moved = {key: value.copy() for key, value in weights.items()}
    moved[name][place] += moved_by
    return loss_of({key: Tensor(value) for key, value in moved.items()}).item()


tensors = {key: Tensor(value, requires_grad=True) for key, value in weights.items()}
loss_of(tensors).backward()
exact = tensors["w1"].grad[0, 0]
widths = 10.0 ** np.arange(-13, 0.1, 0.5)
one_side = [abs((loss_at("w1", (0, 0), h) - loss_at("w1", (0, 0), 0)) / h - exact) for h in widths]
both_sides = [abs((loss_at("w1", (0, 0), h) - loss_at("w1", (0, 0), -h)) / (2 * h) - exact) for h in widths]

figure = Figure(figsize=(8, 4.4), dpi=100, layout="constrained")
panel = figure.subplots()
panel.loglog(widths, np.maximum(one_side, 1e-16), color="tab:orange", marker="o", markersize=4)
panel.loglog(widths, np.maximum(both_sides, 1e-16), color="tab:blue", marker="o", markersize=4)
panel.text(1.5e-4, 5e-7, "one side", color="tab:orange", fontsize=12, ha="right")
panel.text(2e-3, 3e-10, "both sides", color="tab:blue", fontsize=12, ha="left")
panel.text(1.5e-13, 1e-7, "rounding", fontsize=11, color="0.35")
panel.text(1.2e-4, 1e-13, "the formula's own error", fontsize=11, color="0.35")
panel.set(xlabel="h", ylabel="error of the derivative")
panel.grid(alpha=0.3)
show(figure, "04_differences")

best_one, best_both = widths[np.argmin(one_side)], widths[np.argmin(both_sides)]
print(f"best h: {best_one:.0e} to one side, {best_both:.0e} to both")
assert min(both_sides) < 0.1 * min(one_side) and best_both > best_one

# %% [markdown]
# Now all weights, once by the tape and once by moving each of them. The tape needs one run and one walk; moving needs
# two runs for every weight.

# %%
count, largest = 0, 0.0
start = time.perf_counter()
for name, value in weights.items():
    for place in np.ndindex(*value.shape):
        measured = (loss_at(name, place, 1e-5) - loss_at(name, place, -1e-5)) / 2e-5
        largest, count = max(largest, abs(measured - tensors[name].grad[place])), count + 1
seconds_moving = time.perf_counter() - start
start = time.perf_counter()
loss_of({key: Tensor(value, requires_grad=True) for key, value in weights.items()}).backward()
seconds_tape = time.perf_counter() - start
print(f"\n{count} weights: {2 * count} runs, {1000 * seconds_moving:.0f} ms; by the tape {1000 * seconds_tape:.1f} ms")
print(f"largest difference: {largest:.1e}")
assert count == 2 * 16 + 16 + 16 * 3 + 3 and largest < 1e-8

# %% [markdown]
# ## What a tape costs
#
# The way back needs numbers of the way there: the product its factors, the convolution its input. So everything is kept
# until the walk has used it. In a deep network that is far more than the weights, and it grows with the batch: most of
# a graphics card's memory in training is tape.
#
# You should see a tape many times as large as the weights, none at all under `no_grad`, and that a walk uses it up.

# %%
unet = UNetClassic(UNetClassicConfig(base=4, depth=2), rng=rng)
for batch in (1, 4):
    result = unet(Tensor(np.zeros((batch, 92, 92, 1), np.float32)))
    kept = sum(node.data.nbytes for node in recorded(result))
    own = 4 * unet.parameter_count()
    print(f"batch {batch}: weights {own / 1e6:.2f} MB, arrays on the tape {kept / 1e6:.2f} MB, {kept / own:.0f} times")
    assert kept > 20 * own * batch

with no_grad():
    bare = unet(Tensor(np.zeros((1, 92, 92, 1), np.float32)))
assert not bare.requires_grad and recorded(bare) == [] and result.requires_grad

result.sum().backward()
try:
    result.sum().backward()
except RuntimeError as error:
    print("a second walk:", error)
else:
    raise AssertionError("a tape serves one walk")

# %% [markdown]
# One more thing can go wrong. The way back uses the arrays of the way there; if someone has written into one of them
# meanwhile, it would compute with wrong numbers, and nobody would notice. The tape counts such writings, and refuses:

# %%
x = Tensor(np.ones(3), requires_grad=True)
y = (x * x).sum()
x.data += 1
try:
    y.backward()
except RuntimeError as error:
    print("\nwritten in between:", error)
else:
    raise AssertionError("a changed input must be noticed")

# %% [markdown]
# ## It learns
#
# A gradient says where the loss rises, so go the other way, a little, many times:
#
# $$w \leftarrow w - \eta \, \frac{\partial L}{\partial w}$$
#
# That is gradient descent, and with the tape it is four lines. Sixteen hidden numbers are to draw one wave of a sine
# from 40 noisy points. Chapter 9 makes a training loop of it that can train the U-Net.
#
# You should see the curve at the start, which knows nothing, and at the end, which follows the wave and not the noise.

# %%
t = np.linspace(-np.pi, np.pi, 40)[:, None]
seen = np.sin(t) + 0.15 * rng.standard_normal(t.shape)
w = [Tensor(rng.standard_normal(shape) * scale, requires_grad=True) for shape, scale in
     (((1, 16), 1.0), ((16,), 1.0), ((16, 1), 0.3), ((1,), 0.0))]  # fmt: skip


def curve(t):
    return ops.linear(ops.silu(ops.linear(Tensor(t), w[0], w[1])), w[2], w[3])


before, losses = curve(t).data, []
for _ in range(3000):
    loss = ops.mean_squared_error(curve(t), Tensor(seen))
    loss.backward()
    for tensor in w:
        tensor.data, tensor.grad = tensor.data - 0.02 * tensor.grad, None  # not added to the next step's
    losses.append(loss.item())
after = curve(t).data

figure = Figure(figsize=(9, 3.8), dpi=100, layout="constrained")
left, right = figure.subplots(1, 2, width_ratios=(3, 2))
left.plot(t, seen, ".", color="0.6")
left.plot(t, before, color="tab:orange", lw=2)
left.plot(t, after, color="tab:blue", lw=2)
left.text(-3.1, before[0, 0] + 0.12, "before", color="tab:orange", fontsize=12)
left.text(0.9, -0.35, "after 3000 steps", color="tab:blue", fontsize=12)
left.set(xlabel="t", ylim=(-1.7, 1.7))
right.loglog(np.arange(1, 3001), losses, color="tab:blue")
right.set(xlabel="step", ylabel="loss")
show(figure, "04_fit")

off_the_wave = float(np.sqrt(((after - np.sin(t)) ** 2).mean()))
print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}; off the true wave by {off_the_wave:.3f}, the points by 0.15")
assert losses[-1] < 0.1 * losses[0] and off_the_wave < 0.15

# %% [markdown]
# ## Try
#
# 1. Leave out `None` in the loop, so that gradients add up over the steps. What happens to the curve, and why?
# 2. Which operation hands back the same gradient whatever its inputs are? Does it have to keep anything?
# 3. What is the gradient of `x[2:5]`? And of an index that names a place twice?
# 4. Take h = 1e-5 and compute in float32. How many digits of a measured gradient are right?
#
# Answers: 1: each step is as long as all before it together, and soon the loss is not a number. 2: the sum; it keeps
# shapes only. 3: zeros but for the places that were read; what was read twice adds up. 4: one or two, if any: float32
# rounds at the 7th digit, and 1e-7 / 1e-5 is 1e-2.

# %%
x = Tensor(np.arange(6.0), requires_grad=True)
(x[np.array([1, 1, 4])] * np.array([1.0, 10.0, 100.0])).sum().backward()
print("\ngradient of an index that names place 1 twice:", x.grad)
assert x.grad.tolist() == [0, 11, 0, 0, 100, 0]

# %% [markdown]
# ## Exercises
#
# 04.1 is a class for single numbers, with everything that matters; 04.2 its order for graphs of any depth. 04.3, 04.6
# and 04.7 are gradients of single operations, 04.5 is the measurement that finds mistakes in them, and 04.4 is the walk
# that the library itself can use: with yours in its place it still trains. 04.8 is all of it together, for arrays. Two
# questions, 04.9 and 04.10, are for paper. Write into the files and run `minisd course check 04.1`, or call
# `check("04.1", Value)` here.
