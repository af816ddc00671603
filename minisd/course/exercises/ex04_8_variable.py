r"""A tape of your own

The day's work: a class `Variable` for arrays of any shape, which records what is done with it and finds all gradients.
It is `Value` (04.1), grown up: broadcasting (04.3), products of matrices, sums along axes. With it one can train a
network, and this is how its loss may look:

    hidden = (x @ w + b) * (x @ w + b)
    powers = (hidden - 3).exp()
    loss = -((powers / powers.sum(axis=1, keepdims=True)).log() * target).sum()
    loss.backward()

On either side of + - * / may stand a plain number. `grad` is None before the first walk; then it has the shape of the
data, and further walks add to it.
"""

from operator import attrgetter

import numpy as np

from minisd.autograd import Tensor

POINTS, MINUTES = 20, 300
HINTS = (
    "Take your Value, and let `data` be an array. Which lines must change? Begin with + and *, then try them on shapes "
    "that are repeated.",
    "A result keeps its inputs, and a function for each that makes of the result's gradient the input's. a - b is "
    "a + b * -1, and a / b is a * b ** -1: few operations have to be written out.",
    "sum: the gradient is repeated; without keepdims put the axis back first (np.expand_dims). exp: times the result. "
    "log: divided by x. x ** p: times p x^(p-1). @: grad @ b.T and a.T @ grad. Sum each gradient to its input's shape.",
)


class Variable:
    """An array on the tape: `data` is the array, `grad` the gradient after backward(), None before."""

    def __init__(self, data):
        """A leaf of the tape, or a result; data is an array, or becomes one."""
        self.tensor = data if isinstance(data, Tensor) else Tensor(np.asarray(data), requires_grad=True)

    def __add__(self, other):
        """self + other; other is a Variable or a number."""
        return Variable(self.tensor + _bare(other))

    def __radd__(self, other):
        """number + self"""
        return Variable(other + self.tensor)

    def __sub__(self, other):
        """self - other"""
        return Variable(self.tensor - _bare(other))

    def __rsub__(self, other):
        """number - self"""
        return Variable(other - self.tensor)

    def __mul__(self, other):
        """self * other, number by number"""
        return Variable(self.tensor * _bare(other))

    def __rmul__(self, other):
        """number * self"""
        return Variable(other * self.tensor)

    def __truediv__(self, other):
        """self / other"""
        return Variable(self.tensor / _bare(other))

    def __rtruediv__(self, other):
        """number / self"""
        return Variable(other / self.tensor)

    def __neg__(self):
        """-self"""
        return Variable(-self.tensor)

    def __pow__(self, exponent):
        """self to the power of a number"""
        return Variable(self.tensor**exponent)

    def __matmul__(self, other):
        """The product of two matrices."""
        return Variable(self.tensor @ other.tensor)

    def exp(self):
        """e to the power of every number"""
        return Variable(self.tensor.exp())

    def log(self):
        """The natural logarithm of every number."""
        return Variable(self.tensor.log())

    def sum(self, axis=None, keepdims=False):
        """The sum of all numbers, or along one axis."""
        return Variable(self.tensor.sum(axis=axis, keepdims=keepdims))

    def backward(self):
        """Add d self / d variable to the grad of every variable that self was made of; self holds one number."""
        self.tensor.backward()


for _name in ("data", "grad"):
    setattr(Variable, _name, property(attrgetter(f"tensor.{_name}")))


def _bare(other):
    return other.tensor if isinstance(other, Variable) else other


def cases(rng, dtype):
    def draw(*shape):
        return rng.uniform(0.5, 1.5, shape).astype(dtype)

    yield "add and multiply", [draw(2, 3), draw(2, 3)]
    yield "subtract", [draw(2, 3), draw(3)]
    yield "divide", [draw(3, 1), draw(2, 1, 4)]
    yield "numbers", [draw(2, 2), draw(2)]
    yield "powers", [draw(4), draw(4)]
    yield "exp and log", [draw(2, 3), draw(2, 1)]
    yield "matrices", [draw(2, 3), draw(3, 4)]
    yield "sums", [draw(2, 3), draw(3)]
    yield "sums", [draw(3, 3), draw(3)]
    yield "kept sums", [draw(2, 3), draw(2, 3)]
    yield "used many times", [draw(3), draw(3)]
    yield "two walks", [draw(2, 2), draw(2)]
    yield "network", [draw(5, 3), draw(3, 4)]
    if dtype == np.float64:  # once is enough
        yield "deep", [draw(2), draw(2)]


def probe(Variable, name, arrays):
    a, b = variables = [Variable(array) for array in arrays]
    before = [variable.grad is None for variable in variables]
    match name:
        case "add and multiply":
            results = [((a + b) * a).sum()]
        case "subtract":
            results = [((a - b) * (b - a) * b).sum()]
        case "divide":
            results = [(a / b / b * a).sum()]
        case "numbers":
            results = [((2 - a) * 3 + 1 / a - 0.5 * b + (a + 1) / 2 + (3 + a) * (a - 4) - -b * a).sum()]
        case "powers":
            results = [(a**3 * b**-0.5 + b**2).sum()]
        case "exp and log":
            results = [((a * b).exp() + (a + b).log() * a).sum()]
        case "matrices":
            results = [((a @ b) * (a @ b)).sum()]
        case "sums":
            results = [(a.sum(axis=0) * b + (a * a).sum(axis=1).sum()).sum() * a.sum(axis=-1).sum()]
        case "kept sums":
            results = [((a / a.sum(axis=1, keepdims=True)) * (b - b.sum(axis=0, keepdims=True))).sum()]
        case "used many times":
            c = a * b
            results = [(((c + a) * c).exp() * c + (c + c) * (a + a) + a).sum()]
        case "two walks":
            results = [(a * b).sum(), (a * a - b).sum()]
        case "network":
            hidden = (a @ b) ** 2
            powers = (hidden - 3).exp()
            results = [-((powers / powers.sum(axis=1, keepdims=True)).log() * hidden).sum() / 5]
        case "deep":
            c = a
            for _ in range(550):
                c = c * 0.999 + b
            results = [c.sum()]
    for result in results:
        result.backward()
    values = [np.asarray(result.data) for result in results]
    return {"grad before": before, "data": values, "grad": [variable.grad for variable in variables]}


class _Recorded:
    """A variable whose operations are records; mistakes change one of them."""

    def __init__(self, data, made_of=()):
        self.data, self.made_of = np.asarray(data), made_of
        self.grad = None

    def new(self, data, *made_of):
        return type(self)(data, made_of)

    def lifted(self, other):
        return other if isinstance(other, _Recorded) else self.new(np.asarray(other, self.data.dtype))

    def fit(self, grad, shape):
        grad = grad.sum(axis=tuple(range(grad.ndim - len(shape))))
        return grad.sum(axis=tuple(k for k, size in enumerate(shape) if size == 1), keepdims=True)

    def __add__(self, other):
        other = self.lifted(other)
        return self.new(self.data + other.data, (self, lambda g: g), (other, lambda g: g))

    __radd__ = __add__

    def __mul__(self, other):
        other = self.lifted(other)
        return self.new(self.data * other.data, (self, lambda g: g * other.data), (other, lambda g: g * self.data))

    __rmul__ = __mul__

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + -self.lifted(other)

    def __rsub__(self, other):
        return -self + other

    def __pow__(self, p):
        return self.new(self.data**p, (self, lambda g: g * p * self.data ** (p - 1)))

    def __truediv__(self, other):
        return self * self.lifted(other) ** -1

    def __rtruediv__(self, other):
        return self**-1 * other

    def __matmul__(self, other):
        a, b = self.data, other.data
        return self.new(a @ b, (self, lambda g: g @ b.T), (other, lambda g: a.T @ g))

    def exp(self):
        y = np.exp(self.data)
        return self.new(y, (self, lambda g: g * y))

    def log(self):
        return self.new(np.log(self.data), (self, lambda g: g / self.data))

    def repeated(self, g, axis, keepdims):
        back = g if keepdims or axis is None else np.expand_dims(g, axis)
        return np.broadcast_to(back, self.data.shape)

    def sum(self, axis=None, keepdims=False):
        total = self.data.sum(axis=axis, keepdims=keepdims)
        return self.new(total, (self, lambda g: self.repeated(g, axis, keepdims)))

    def order(self):
        order, seen, stack = [], set(), [(self, False)]
        while stack:
            node, done = stack.pop()
            if done:
                order.append(node)
            elif node not in seen:
                seen.add(node)
                stack += [(node, True), *((source, False) for source, _ in node.made_of)]
        return order[::-1]

    def kept(self, old, new):
        return new if old is None else old + new

    def backward(self):
        grads = {self: np.ones_like(self.data)}
        for node in self.order():
            grad = grads.pop(node)
            if not node.made_of:
                node.grad = self.kept(node.grad, grad)
            for source, back in node.made_of:
                part = self.fit(back(grad), source.data.shape)
                grads[source] = self.met(grads[source], part) if source in grads else part

    def met(self, old, new):
        return old + new


class mistake_not_summed_back(_Recorded):
    """What was repeated gets the sum of all its gradients, in its own shape: your gradients keep the large one."""

    def fit(self, grad, shape):
        return grad


class mistake_averaged_back(_Recorded):
    """What was repeated gets the sum of all its gradients, not their mean."""

    def fit(self, grad, shape):
        total = super().fit(grad, shape)
        return total * (total.size / grad.size)


class mistake_overwritten(_Recorded):
    """A variable that is used several times gets the sum of what its uses hand back; yours keeps the last one only."""

    def met(self, old, new):
        return new


class mistake_second_walk_overwrites(_Recorded):
    """Gradients of several walks add up; yours are those of the last one."""

    def kept(self, old, new):
        return new


class mistake_sum_divided(_Recorded):
    """The derivative of a sum by each of its numbers is 1: the gradient is repeated, not shared out."""

    def repeated(self, g, axis, keepdims):
        back = super().repeated(g, axis, keepdims)
        return back * (g.size / back.size)


class mistake_division(_Recorded):
    """The derivative of a / b by b is -a / b^2: your minus sign is missing."""

    def __truediv__(self, other):
        other = self.lifted(other)
        a, b = self.data, other.data
        return self.new(a / b, (self, lambda g: g / b), (other, lambda g: g * a / b**2))


class mistake_matrices_exchanged(_Recorded):
    """Of C = A B the gradient by A is that of C times B^T, and that by B is A^T times it: yours lack the ^T."""

    def __matmul__(self, other):
        a, b = self.data, other.data
        return self.new(a @ b, (self, lambda g: g @ b), (other, lambda g: a @ g))


class mistake_power(_Recorded):
    """The derivative of x^p is p x^(p-1): the exponent must be one less."""

    def __pow__(self, p):
        return self.new(self.data**p, (self, lambda g: g * p * self.data**p))


class mistake_number_minus(_Recorded):
    """number - variable is not variable - number: the sign is the other one."""

    def __rsub__(self, other):
        return self - other


class mistake_recursion(_Recorded):
    """Python ends a recursion after 1000 calls, and a tape may be deeper: keep a stack of your own."""

    def order(self):
        order = super().order()
        if len(order) > 1000:
            raise RecursionError
        return order


class mistake_axis_not_put_back(_Recorded):
    """The sum along an axis loses it: before its gradient is repeated the axis must be put back where it was."""

    def repeated(self, g, axis, keepdims):
        return np.broadcast_to(g, self.data.shape)


class right_records(_Recorded):
    pass


class right_closures:
    def __init__(self, data):
        self.data = np.array(data)
        self.grad, self.sources, self.push, self.pending = None, [], None, np.zeros(())

    def _make(self, data, sources, push):
        out = right_closures(data)
        out.sources, out.push = sources, push
        return out

    def _take(self, g):
        while g.ndim > self.data.ndim:
            g = g.sum(0)
        for k, n in enumerate(self.data.shape):
            if n == 1:
                g = g.sum(k, keepdims=True)
        self.pending = self.pending + g

    def __add__(self, b):
        if not isinstance(b, right_closures):
            return self._make(self.data + b, [self], lambda g: self._take(g))
        return self._make(self.data + b.data, [self, b], lambda g: (self._take(g), b._take(g)))

    def __mul__(self, b):
        if not isinstance(b, right_closures):
            return self._make(self.data * b, [self], lambda g: self._take(g * b))
        return self._make(self.data * b.data, [self, b], lambda g: (self._take(g * b.data), b._take(g * self.data)))

    def __truediv__(self, b):
        if not isinstance(b, right_closures):
            return self * (1 / b)
        y = self.data / b.data
        return self._make(y, [self, b], lambda g: (self._take(g / b.data), b._take(-g * y / b.data)))

    def __pow__(self, p):
        return self._make(self.data**p, [self], lambda g: self._take(p * g * self.data**p / self.data))

    def __matmul__(self, b):
        out = np.einsum("nk,km->nm", self.data, b.data)
        return self._make(out, [self, b], lambda g: (
            self._take(np.einsum("nm,km->nk", g, b.data)), b._take(np.einsum("nk,nm->km", self.data, g))
        ))  # fmt: skip

    def __radd__(self, b):
        return self + b

    def __rmul__(self, b):
        return self * b

    def __neg__(self):
        return self * -1.0

    def __sub__(self, b):
        return self + (-b)

    def __rsub__(self, b):
        return (self - b) * -1.0

    def __rtruediv__(self, b):
        return self**-1.0 * b

    def exp(self):
        y = np.exp(self.data)
        return self._make(y, [self], lambda g: self._take(g * y))

    def log(self):
        return self._make(np.log(self.data), [self], lambda g: self._take(g / self.data))

    def sum(self, axis=None, keepdims=False):
        total = self.data.sum(axis=axis, keepdims=True)
        shape, kept = self.data.shape, total.shape
        out = total if keepdims else total.reshape(()) if axis is None else total.squeeze(axis)
        return self._make(out, [self], lambda g: self._take(g.reshape(kept) * np.ones(shape, g.dtype)))

    def backward(self):
        uses, stack = {self: 0}, [self]
        while stack:
            for source in stack.pop().sources:
                if source not in uses:
                    uses[source] = 0
                    stack.append(source)
                uses[source] += 1
        for node in uses:
            node.pending = np.zeros_like(node.data)
        self.pending = np.ones_like(self.data)
        ready = [self]
        while ready:
            node = ready.pop()
            if node.push is None:
                node.grad = node.pending if node.grad is None else node.grad + node.pending
                continue
            node.push(node.pending)
            for source in node.sources:
                uses[source] -= 1
                if uses[source] == 0:
                    ready.append(source)
