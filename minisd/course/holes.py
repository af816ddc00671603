"""An exercise's file without its solution: what a learner gets, and what a learner's process may know.

The file is read as a syntax tree, and only what is meant to stay is written out again. So no line of a solution can
stay behind by a forgotten mark, nor its comments: comments are not in the tree.
"""

from __future__ import annotations

import ast

from minisd.course.exercise import Exercise


def hole(exercise: Exercise) -> str:
    """The learner's lines: what is given, then the hole's signature and docstring over an unwritten body."""
    tree = ast.parse(exercise.file.read_text(encoding="utf-8"))
    kept = [node for node in tree.body if _names(node) & set(exercise.given)]
    (empty,) = (_emptied(node, exercise.number) for node in tree.body if _names(node) == {exercise.name})
    imports = "\n".join(ast.unparse(node) for node in kept if _is_import(node))
    rest = [ast.unparse(node) for node in kept if not _is_import(node)]
    return "\n\n\n".join(filter(None, (imports, *rest, empty))) + "\n"


def trial(exercise: Exercise) -> str:
    """What trying an answer needs: the given lines and the probe, no solution, no cases, no mistakes."""
    tree = ast.parse(exercise.file.read_text(encoding="utf-8"))
    wanted = {"probe", *exercise.given}
    return "\n".join(ast.unparse(node) for node in tree.body if _names(node) & wanted) + "\n"


def solved(exercise: Exercise, before: str = "", after: str = "") -> str:
    """The solution as it stands in the file, comments and all: given lines, what it imports and its own helpers, the
    hole filled. What the learner does not get stands between the lines `before` and `after`, if they are named."""
    text = exercise.file.read_text(encoding="utf-8")
    lines = text.splitlines()
    imports: list[str] = []
    rest: list[str] = []
    for node in ast.parse(text).body:
        first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
        own = lines[first - 1 : node.end_lineno]
        if _names(node) == {exercise.name}:
            own = _marked(node, own, first, before, after)
        elif not _names(node) & set(exercise.given):
            if not _is_import(node) and not all(name.startswith("_") for name in _names(node) or ["x"]):
                continue  # a case, a mistake, another answer
            own = list(filter(None, [before, *own, after]))
        (imports if _is_import(node) else rest).append("\n".join(own))
    return "\n\n\n".join(filter(None, ["\n".join(imports), *rest])) + "\n"


def _marked(node: ast.stmt, lines: list[str], first: int, before: str, after: str) -> list[str]:
    """The hole's lines, each function's body between marks."""
    if not before:
        return lines
    marked = list(lines)
    functions = [part for part in ast.walk(node) if isinstance(part, ast.FunctionDef)]
    for function in sorted(functions, key=lambda f: f.lineno, reverse=True):
        if any(function in ast.walk(other) and function is not other for other in functions):
            continue  # inside another's body
        body = function.body[1:] if ast.get_docstring(function) else function.body
        margin, end = " " * body[0].col_offset, function.end_lineno or function.lineno
        marked.insert(end - first + 1, margin + after)
        marked.insert(body[0].lineno - first, margin + before)
    return marked


def calls_of_mine(exercise: Exercise) -> tuple[str, ...]:
    """The numbers of the earlier exercises that the given lines build on."""
    calls = [node for node in ast.walk(ast.parse(trial(exercise))) if isinstance(node, ast.Call)]
    named = [call.args[0] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "mine" and call.args]
    return tuple(str(argument.value) for argument in named if isinstance(argument, ast.Constant))


def _names(node: ast.stmt) -> set[str]:
    """What the statement defines."""
    match node:
        case ast.Import() | ast.ImportFrom():
            return {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        case ast.FunctionDef() | ast.ClassDef():
            return {node.name}
        case ast.Assign():
            return {name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return set()


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def _emptied(node: ast.stmt, number: str) -> str:
    """The definition with its docstrings and signatures; what it does is left to write."""
    if isinstance(node, ast.ClassDef):
        methods = [part for part in node.body if isinstance(part, ast.FunctionDef)]
        public = [part for part in methods if not part.name.startswith("_") or part.name.startswith("__")]
        kept: list[ast.stmt] = [ast.Expr(ast.Constant(text))] if (text := ast.get_docstring(node, clean=False)) else []
        for method in public:
            method.body = _unwritten(method, number)
        node.body = [*kept, *public]
    elif isinstance(node, ast.FunctionDef):
        node.body = _unwritten(node, number)
    return ast.unparse(ast.fix_missing_locations(node))


def _unwritten(function: ast.FunctionDef, number: str) -> list[ast.stmt]:
    text = ast.get_docstring(function, clean=False)
    error = ast.parse(f"raise NotImplementedError('{number} is not written yet')").body
    return [*([ast.Expr(ast.Constant(text))] if text else []), *error]
