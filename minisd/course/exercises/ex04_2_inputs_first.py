"""Each behind its inputs

A tape is a graph: every node was made of others, its inputs. To go back, the tape needs all nodes behind a result in an
order in which each stands behind all its inputs; the result is the last one. (Any such order will do.)

The graph is a dictionary: `inputs[node]` lists the nodes it was made of; a leaf's list is empty. Nodes that have
nothing to do with the result stay out, and each node stands once. Networks are deep: a chain may have thousands of
nodes.
"""

import numpy as np

POINTS, MINUTES = 4, 40
HINTS = (
    "When may a node be put into the list? When all its inputs are in it.",
    "Depth first: visit the inputs, then append the node; a set says which were visited. But Python ends a recursion "
    "after 1000 calls, so keep a stack of your own.",
    "The stack holds pairs (node, inputs_done). Taken off with False: put it back with True, and its inputs above it "
    "with False. Taken off with True: append it.",
)


def inputs_first(result, inputs):
    """A list of the nodes behind `result`, itself the last."""
    order, seen, stack = [], set(), [(result, False)]
    while stack:
        node, inputs_done = stack.pop()
        if inputs_done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((source, False) for source in inputs[node])
    return order


def cases(rng, dtype):
    yield "z", {"x": [], "y": [], "p": ["x", "y"], "z": ["p", "x"]}
    yield "a", {"a": [], "b": ["a"]}
    yield "e", {"a": [], "b": ["a"], "c": ["b"], "d": ["a", "c"], "e": ["b", "d"], "f": ["e", "a"]}
    yield "e", {"a": [], "b": ["a"], "c": ["b"], "d": ["c", "a"], "e": ["d", "b"], "f": ["e", "a"]}
    yield "r", {"a": [], "b": ["a", "a"], "c": ["b", "a"], "d": ["c", "b"], "r": ["a", "d", "b"], "unused": []}
    yield "9", {"0": []} | {str(k): [str(k - 1), str(max(0, k - 2))] for k in range(1, 10)}
    nodes = [f"n{k}" for k in rng.permutation(12).tolist()]
    graph = {
        n: sorted({nodes[int(rng.integers(0, k))] for _ in range(3)}) if k > 2 else [] for k, n in enumerate(nodes)
    }
    yield nodes[-1], dict(sorted(graph.items()))
    if dtype == np.float64:  # once is enough
        yield "3500", {"0": []} | {str(k): [str(k - 1)] for k in range(1, 3501)}


def probe(inputs_first, result, inputs):
    order = list(inputs_first(result, inputs))
    place = {node: number for number, node in enumerate(order)}
    early = [node for node in order if any(place.get(source, 0) > place[node] for source in inputs[node])]
    return {"nodes, sorted": sorted(order), "nodes that stand before an input": sorted(early), "last": order[-1]}


def mistake_recursion(result, inputs):
    """Python ends a recursion after 1000 calls, and a network's chain may be longer: keep a stack of your own."""
    order, seen = [], set()

    def visit(node, depth):
        if depth > 1500:
            raise RecursionError
        if node not in seen:
            seen.add(node)
            for source in inputs[node]:
                visit(source, depth + 1)
            order.append(node)

    visit(result, 0)
    return order


def mistake_result_first(result, inputs):
    """The order is turned round: inputs come first, the result last."""
    return inputs_first(result, inputs)[::-1]


def mistake_everything(result, inputs):
    """Only the nodes that the result was made of, directly or not, belong into the list."""
    order = inputs_first(result, inputs)
    return [node for node in inputs if node not in order] + order


def mistake_as_met(result, inputs):
    """A node is put down when it is first met from above, and the list turned round; but another use of it may come
    later. Put it down when all its inputs are."""
    order, seen, stack = [], {result}, [result]
    while stack:
        node = stack.pop()
        order.append(node)
        for source in inputs[node]:
            if source not in seen:
                seen.add(source)
                stack.append(source)
    return order[::-1]


def mistake_level_by_level(result, inputs):
    """Level by level is not enough: a node that is an input here may be, by a longer way, an input of an input."""
    order = [result]
    for node in order:
        order += [source for source in dict.fromkeys(inputs[node]) if source not in order]
        if len(order) > 100:
            return inputs_first(result, inputs)
    return order[::-1]


def mistake_once_for_each_use(result, inputs):
    """A node that is used several times stands once in the list; remember which ones were visited."""
    order, stack = [], [(result, False)]
    while stack:
        node, done = stack.pop()
        if done or not inputs[node]:
            order.append(node)
        else:
            stack += [(node, True), *((source, False) for source in inputs[node])]
    return order


def mistake_no_leaves(result, inputs):
    """Leaves belong into the list, too: it is they whose gradients are wanted."""
    return [node for node in inputs_first(result, inputs) if inputs[node] or node == result]


def right_counting_uses(result, inputs):
    """From the result down: a node is next when all its uses are done."""
    behind, stack = {result}, [result]
    while stack:
        for source in inputs[stack.pop()]:
            if source not in behind:
                behind.add(source)
                stack.append(source)
    uses = dict.fromkeys(behind, 0)
    for node in behind:
        for source in inputs[node]:
            uses[source] += 1
    ready, done = [result], []
    while ready:
        node = ready.pop()
        done.append(node)
        for source in inputs[node]:
            uses[source] -= 1
            if not uses[source]:
                ready.append(source)
    done.reverse()
    return done


def right_generator_stack(root, parents):
    finished = {}
    stack = [(root, iter(parents[root]))]
    entered = {root}
    while stack:
        node, rest = stack[-1]
        following = next((p for p in rest if p not in entered), None)
        if following is None:
            finished[node] = True
            stack.pop()
        else:
            entered.add(following)
            stack.append((following, iter(parents[following])))
    return list(finished)
