"""An exercise's file without its solution: what a learner gets, and what a learner's process may know.

The file is read as a syntax tree, and only what is meant to stay is written out again. So no line of a solution can
stay behind by a forgotten mark, nor its comments: comments are not in the tree.
"""

from __future__ import annotations

import ast
import textwrap
from typing import TypeGuard

from minisd.course.exercise import Exercise


def hole(exercise: Exercise) -> str:
    """The learner's lines: what is given, then the hole's signature and docstring over an unwritten body."""
    tree = ast.parse(exercise.file.read_text(encoding="utf-8"))
    kept = [_alone(node, set(exercise.given)) for node in tree.body if _names(node) & set(exercise.given)]
    (empty,) = (_emptied(node, exercise.number) for node in tree.body if _names(node) == {exercise.name})
    imports = "\n".join(ast.unparse(node) for node in kept if _is_import(node))
    rest = [ast.unparse(node) for node in kept if not _is_import(node)]
    return "\n\n\n".join(filter(None, (imports, *rest, empty))) + "\n"


def trial(exercise: Exercise) -> str:
    """What trying an answer needs: the given lines and the probe, no solution, no cases, no mistakes."""
    tree = ast.parse(exercise.file.read_text(encoding="utf-8"))
    wanted = {"probe", *exercise.given}
    return "\n".join(ast.unparse(_alone(node, wanted)) for node in tree.body if _names(node) & wanted) + "\n"


def _alone(node: ast.stmt, wanted: set[str]) -> ast.stmt:
    """An import of the wanted names only: the others are the solution's."""
    if isinstance(node, ast.ImportFrom):
        names = [alias for alias in node.names if (alias.asname or alias.name) in wanted]
        return ast.ImportFrom(node.module, names, node.level)
    return node


def solved(exercise: Exercise) -> str:
    """The solution as it stands in the file, comments and all: the given lines, what the hole uses, the hole filled."""
    given, used, filled, finish = _parts(exercise)
    imports = [part for part in (*given, *used) if part.startswith(("import ", "from "))]
    rest = [part for part in (*given, *used) if part not in imports]
    return "\n\n\n".join(filter(None, ["\n".join(imports), *rest, filled, *finish])) + "\n"


def solved_between(exercise: Exercise, begin: str, end: str) -> str:
    """The same, with all that the learner does not get inside the hole's functions, between two lines that mark it."""
    given, used, filled, finish = _parts(exercise)
    lines = filled.splitlines()
    (hole,) = ast.parse(filled).body
    functions = (
        [hole] if isinstance(hole, ast.FunctionDef) else [n for n in ast.iter_child_nodes(hole) if _is_function(n)]
    )
    for function in sorted(functions, key=lambda function: -function.lineno):
        body = function.body[1:] if ast.get_docstring(function) else function.body
        margin, last = " " * body[0].col_offset, function.end_lineno or function.lineno
        lines.insert(last, margin + end)
        helpers = textwrap.indent("\n\n".join([*used, *finish]), margin).splitlines()
        lines[body[0].lineno - 1 : body[0].lineno - 1] = [margin + begin, *helpers]
    return "\n\n\n".join(filter(None, ["\n".join(given), "\n".join(lines)])) + "\n"


def _parts(exercise: Exercise) -> tuple[list[str], list[str], str, list[str]]:
    """Source texts: of the given lines, of what else the hole uses, of the hole, and of loops that finish it."""
    text = exercise.file.read_text(encoding="utf-8")
    lines, nodes = text.splitlines(), ast.parse(text).body

    def written(node: ast.stmt) -> str:
        first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
        return "\n".join(lines[first - 1 : node.end_lineno])

    (hole,) = (node for node in nodes if _names(node) == {exercise.name})
    finish = [node for node in nodes if isinstance(node, ast.For) and exercise.name in _uses(node)]
    wanted, found = _uses(hole).union(*map(_uses, finish)), [hole]
    while more := [node for node in nodes if node not in found and _names(node) & wanted]:
        found += more
        wanted |= {name for node in more for name in _uses(node)}
    given = [node for node in nodes if _names(node) & set(exercise.given)]
    used = [node for node in nodes if node in found and node not in given and node is not hole]
    parts = [[written(node) for node in several] for several in (given, used, finish)]
    return parts[0], parts[1], written(hole), parts[2]


def _uses(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _is_function(node: ast.AST) -> TypeGuard[ast.FunctionDef]:
    return isinstance(node, ast.FunctionDef)


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
