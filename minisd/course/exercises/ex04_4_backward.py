r"""The walk back along the tape

The library records a tape: every tensor knows the operation that made it. Write the walk from a result back to the
leaves, which the library can then draw and train with. Of a node of the tape you need:

- `node.function`: the operation that made it, or None if it is a leaf
- `node.function.inputs`: the nodes it was made of
- `node.function.backward(grad)`: a tuple, for each input its gradient, given that of the node; None where there is none
- `node.requires_grad`: whether anybody wants its gradient; of a node that does not, nothing behind it does
- `node.grad`: on leaves that want one, the gradient that earlier walks have left there, or None

`result` requires a gradient, and `grad` is its own. Add to every such leaf's `grad`. Arrays that an operation gives out
may be one and the same for two inputs, so do not write into them.
"""

import numpy as np

from minisd.autograd.tape import Node

POINTS, MINUTES = 8, 90
HINTS = (
    "You have the order already (04.2). What must be remembered of a node until its turn comes?",
    "A dictionary from node to gradient, which begins with the result's. At its turn a node takes its own out, calls "
    "backward, and what comes is added to its inputs' entries; with a = a + b, not a += b.",
    "For each node, last first: take its gradient out. A leaf adds it to node.grad. Any other gives the "
    "parts of node.function.backward to its inputs: what is wanted is added to what is there, or put there.",
)


def backward(result, grad):
    """Nothing is returned: the leaves have their gradients."""
    Node.backward(result, grad)


def cases(rng, dtype):
    def draw(*shape):
        return rng.standard_normal(shape).astype(dtype)

    yield "product", [draw(2, 3), draw(2, 3)], draw(2, 3)
    yield "leaf", [draw(2, 2), draw(2)], draw(2, 2)
    yield "used twice", [draw(3), draw(3)], draw(3)
    yield "one array for two", [draw(2, 2), draw(2, 2)], draw(2, 2)
    yield "longer way", [draw(3), draw(3)], draw(3)
    yield "longer way, other side", [draw(3), draw(3)], draw(3)
    yield "constant", [draw(2, 4), draw(4)], draw(2, 4)
    yield "matrices", [draw(3, 2), draw(2, 4), draw(4)], draw(3)
    yield "two walks", [draw(2), draw(2)], draw(2)
    if dtype == np.float64:  # once is enough
        yield "deep", [draw(2), draw(2)], draw(2)


def probe(backward, name, arrays, grad):
    from minisd.autograd import Tensor

    def is_to_be_written(*arguments):
        raise RuntimeError("result.backward is what you are asked to write")

    leaves = [Tensor(array, requires_grad=not (name == "constant" and k)) for k, array in enumerate(arrays)]
    a, b = leaves[:2]
    match name:
        case "product":
            results = [a * b]
        case "leaf":
            results = [a]
        case "used twice":
            results = [a * a * b + a]
        case "one array for two":
            results = [(a + b) + a + (b + a)]
        case "longer way":
            results = [(((c := a * b) * b).exp() * c + a) * c]
        case "longer way, other side":
            results = [(c := a * b) * (a + c * (b * c).exp())]
        case "constant":
            results = [(a + b) * b * a]
        case "matrices":
            results = [((a @ b + leaves[2]).exp() * leaves[2]).sum(axis=1)]
        case "two walks":
            results = [a * b, a + a]
        case "deep":
            results = [a]
            for _ in range(550):
                results = [results[0] * 0.999 + b]
    Tensor.backward = is_to_be_written  # type: ignore[method-assign]  # it hides the library's
    try:
        for result in results:
            backward(result, grad)
    finally:
        del Tensor.backward
    return [leaf.grad for leaf in leaves]


def _order(result):
    order, seen, stack = [], set(), [(result, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif node not in seen and node.requires_grad:
            seen.add(node)
            stack.append((node, True))
            if node.function is not None:
                stack.extend((source, False) for source in node.function.inputs)
    return order[::-1]


def _parts(node, grad):
    inputs, parts = node.function.inputs, node.function.backward(grad)
    return [(s, p) for s, p in zip(inputs, parts, strict=True) if p is not None and s.requires_grad]


def _walk(result, grad, *, order=_order, plus=lambda a, b: a + b, keep=lambda old, new: old + new):
    grads = {result: grad}
    for node in order(result):
        own = grads.pop(node)
        if node.function is None:
            node.grad = own if node.grad is None else keep(node.grad, own)
            continue
        for source, part in _parts(node, own):
            grads[source] = plus(grads[source], part) if source in grads else part


def mistake_overwritten(result, grad):
    """A node that is used several times gets the sum of what its uses hand back; yours keeps the last one only."""
    _walk(result, grad, plus=lambda a, b: b)


def mistake_written_in_place(result, grad):
    """Two inputs may have been given one and the same array: a += b writes into the other's, too. Write a = a + b."""

    def plus(a, b):
        a += b
        return a

    _walk(result, grad, plus=plus)


def mistake_second_walk_overwrites(result, grad):
    """Gradients of several walks add up: a leaf may have a grad already."""
    _walk(result, grad, keep=lambda old, new: new)


def mistake_begins_with_ones(result, grad):
    """The walk begins with the gradient that is given, not with ones."""
    _walk(result, np.ones_like(grad))


def mistake_recursion(result, grad):
    """Python ends a recursion after 1000 calls, and the tape may be deeper: keep a stack of your own."""
    if len(_order(result)) > 1000:
        raise RecursionError
    _walk(result, grad)


def mistake_too_early(result, grad):
    """A node hands its gradient on before all its uses have handed theirs: it needs the order of 04.2."""
    grads, order, seen = {result: grad}, [result], {result}
    for node in order:
        own = grads.pop(node)
        if node.function is None:
            node.grad = own if node.grad is None else node.grad + own
            continue
        for source, part in _parts(node, own):
            grads[source] = grads[source] + part if source in grads else part
            if source not in seen:
                seen.add(source)
                order.append(source)
    for node, late in grads.items():
        if node.function is None:
            node.grad = node.grad + late


def mistake_constants_too(result, grad):
    """A leaf that does not require a gradient gets none: its grad stays None."""
    _walk(result, grad)
    for node in _order(result):
        if node.function is not None:
            for source in node.function.inputs:
                if not source.requires_grad:
                    source.grad = np.zeros_like(source.data)


def right_uses_counted(result, grad):
    uses, stack = {result: 0}, [result]
    while stack:
        node = stack.pop()
        for source in node.function.inputs if node.function else ():
            if source.requires_grad:
                if source not in uses:
                    uses[source] = 0
                    stack.append(source)
                uses[source] += 1
    totals, ready = {result: np.array(grad)}, [result]
    while ready:
        node = ready.pop()
        total = totals.pop(node)
        if node.function is None:
            node.grad = total if node.grad is None else total + node.grad
            continue
        for source, part in zip(node.function.inputs, node.function.backward(total), strict=True):
            if source.requires_grad:
                if part is not None:
                    totals[source] = totals.get(source, 0) + part
                uses[source] -= 1
                if uses[source] == 0:
                    ready.append(source)


def right_lists(result, grad):
    handed = {result: [grad]}
    for node in _order(result):
        total = np.sum(handed[node], axis=0)
        if node.function:
            for source, part in zip(node.function.inputs, node.function.backward(total), strict=True):
                if part is not None and source.requires_grad:
                    handed.setdefault(source, []).append(part)
        else:
            node.grad = (node.grad if node.grad is not None else 0) + total
