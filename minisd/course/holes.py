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
    return "\n\n\n".join(filter(None, ("\n".join(map(ast.unparse, _imports(kept))), *_definitions(kept), empty))) + "\n"


def trial(exercise: Exercise) -> str:
    """What trying an answer needs: the given lines and the probe, no solution, no cases, no mistakes."""
    tree = ast.parse(exercise.file.read_text(encoding="utf-8"))
    wanted = {"probe", *exercise.given}
    return "\n".join(ast.unparse(node) for node in tree.body if _names(node) & wanted) + "\n"


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


def _imports(nodes: list[ast.stmt]) -> list[ast.stmt]:
    return [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


def _definitions(nodes: list[ast.stmt]) -> list[str]:
    return [ast.unparse(node) for node in nodes if not isinstance(node, ast.Import | ast.ImportFrom)]


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
