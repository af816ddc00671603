r"""A number that knows where it came from

Write a class for single numbers that can be added and multiplied, and that finds derivatives. After

    x, y = Value(2.0), Value(5.0)
    z = x * y + x
    z.backward()

`z.data` is 12, and `x.grad` and `y.grad` are dz/dx = 6 and dz/dy = 2. A value that is used several times gets the sum
of what its uses hand back. Gradients begin at 0; those of a second expression over the same values are added to them.
"""

from typing import Any

import numpy as np

POINTS, MINUTES = 6, 60
HINTS = (
    "Let a result remember the two values it was made of, and the derivative by each: 1 and 1 for a sum, y and x for "
    "the product of x and y.",
    "backward: the result's own gradient is 1. Every value hands its gradient, times the derivative, to its inputs. It "
    "must not do so before all its own uses have handed theirs.",
    "Put all values behind the result into a list, each behind its inputs (depth first; a set says which are done). Go "
    "through it from the end: input.grad += derivative * value.grad.",
)


class Value:
    """A number on the tape: `data` is the number, `grad` its derivative after backward()."""

    def __init__(self, data):
        self.data, self.grad = data, 0.0
        self._made_of: Any = ()

    def __add__(self, other):
        """The sum of two values, a new value."""
        return self._made(self.data + other.data, ((self, 1.0), (other, 1.0)))

    def __mul__(self, other):
        """The product of two values, a new value."""
        return self._made(self.data * other.data, ((self, other.data), (other, self.data)))

    def backward(self):
        """Add d self / d value to the `grad` of every value that self was made of."""
        self.grad = 1.0
        for value in reversed(self._inputs_first()):
            value._hand_back()

    def _made(self, data, made_of):
        result = type(self)(data)
        result._made_of = made_of
        return result

    def _inputs_first(self):
        order, seen, stack = [], set(), [(self, False)]
        while stack:
            value, inputs_done = stack.pop()
            if inputs_done:
                order.append(value)
            elif value not in seen:
                seen.add(value)
                stack += [(value, True), *((source, False) for source, _ in value._made_of)]
        return order

    def _hand_back(self):
        for source, slope in self._made_of:
            source.grad += slope * self.grad


def cases(rng, dtype):
    def draw(count):
        return rng.uniform(0.5, 2.0, count).astype(dtype) * np.array([1, -1, 1, -1, 1])[:count].astype(dtype)

    yield draw(2), [[("*", 0, 1), ("+", 2, 0)]]
    yield draw(3), [[("+", 0, 1)]]
    yield draw(1), [[("*", 0, 0)]]
    yield draw(2), [[("+", 0, 0), ("*", 2, 1), ("*", 3, 2), ("+", 4, 0)]]
    yield draw(3), [[("*", 0, 1), ("*", 3, 3), ("+", 3, 4), ("*", 5, 2), ("+", 6, 3)]]
    yield draw(2), [[("+", 0, 1), ("+", 2, 2), ("+", 3, 3), ("+", 4, 4), ("+", 5, 2), ("*", 6, 3)]]
    yield draw(3), [[("*", 0, 1)], [("*", 0, 2), ("+", 3, 0)]]
    program = [
        (str(rng.choice(["+", "*"])), int(rng.integers(0, 4 + k)), int(rng.integers(0, 4 + k))) for k in range(9)
    ]
    yield draw(4), [[*program, ("+", 12, 11), ("*", 13, 10), ("+", 14, 0)]]


def probe(Value, numbers, programs):
    leaves, results = [Value(float(number)) for number in numbers], []
    for program in programs:
        values = list(leaves)
        for sign, a, b in program:
            values.append(values[a] + values[b] if sign == "+" else values[a] * values[b])
        values[-1].backward()
        results.append(values[-1].data)
    return {"data": results, "grad": [leaf.grad for leaf in leaves]}


class mistake_overwritten(Value):
    """A value that is used several times gets the sum of what its uses hand back; yours keeps the last one only."""

    def _hand_back(self):
        for source, slope in self._made_of:
            source.grad = slope * self.grad


class mistake_own_factor(Value):
    """The derivative of x y by x is y, the other factor; yours is x itself."""

    def __mul__(self, other):
        return self._made(self.data * other.data, ((self, self.data), (other, other.data)))


class mistake_sum_like_a_product(Value):
    """The derivative of x + y by x is 1; yours is y, as of a product."""

    def __add__(self, other):
        return self._made(self.data + other.data, ((self, other.data), (other, self.data)))


class mistake_too_early(Value):
    """A value hands its gradient on before all its uses have handed theirs: first put the values into an order in which
    each stands behind its inputs, and go through that from its end."""

    def backward(self):
        self.grad = 1.0
        order, seen = [self], {self}
        for value in order:
            for source, _ in value._made_of:
                if source not in seen:
                    seen.add(source)
                    order.append(source)
            value._hand_back()


class mistake_no_chain(Value):
    """The chain rule multiplies: the derivative by an input, times the gradient that has come so far."""

    def _hand_back(self):
        for source, slope in self._made_of:
            source.grad += slope


class mistake_begins_with_the_number(Value):
    """backward begins with dz/dz = 1, not with z."""

    def backward(self):
        self.grad = self.data
        for value in reversed(self._inputs_first()):
            value._hand_back()


class mistake_begins_anew(Value):
    """A second expression's gradients are added to the first one's; yours sets them to 0 before."""

    def backward(self):
        order = self._inputs_first()
        for value in order:
            value.grad = 0.0
        self.grad = 1.0
        for value in reversed(order):
            value._hand_back()


class mistake_equal_factors_once(Value):
    """In x x both factors are x, and both hand back: the derivative is 2 x. Yours counts one of them."""

    def _made(self, data, made_of):
        return super()._made(data, made_of[:1] if made_of[0][0] is made_of[1][0] else made_of)


class right_closures:
    def __init__(self, data, parents=()):
        self.data = data
        self.grad = 0
        self.parents = parents
        self.push = lambda: None

    def __add__(self, b):
        out = right_closures(self.data + b.data, (self, b))

        def push():
            self.grad += out.grad
            b.grad += out.grad

        out.push = push
        return out

    def __mul__(self, b):
        out = right_closures(self.data * b.data, (self, b))

        def push():
            self.grad += b.data * out.grad
            b.grad += self.data * out.grad

        out.push = push
        return out

    def backward(self):
        topo, visited = [], set()

        def visit(v):
            if id(v) not in visited:
                visited.add(id(v))
                for parent in v.parents:
                    visit(parent)
                topo.append(v)

        visit(self)
        self.grad = 1
        for v in topo[::-1]:
            v.push()


class right_every_path:
    """Each path from the result to a value hands its product back: slow, and right."""

    def __init__(self, data):
        self.data, self.grad, self.slopes = data, 0.0, []

    def __add__(self, other):
        total = right_every_path(self.data + other.data)
        total.slopes = [(self, 1), (other, 1)]
        return total

    def __mul__(self, other):
        product = right_every_path(self.data * other.data)
        product.slopes = [(self, other.data), (other, self.data)]
        return product

    def backward(self, so_far=1.0):
        self.grad += so_far
        for source, slope in self.slopes:
            source.backward(so_far * slope)
