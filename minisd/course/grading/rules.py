"""The rule of the library: an answer is written with Python, NumPy and what its exercise gives.

Whoever imports what they should write has written nothing. The rule is held twice: here on the text, before it runs,
with the line to look at; in wall.py on the running process. An honest answer meets neither. Someone who means to get
around the text's rule will, with patience; behind it there is, but for exercises that build on the library, nothing to
be had: no solution is in the process's memory, and its files cannot be opened.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

# What minisd.course offers to any answer.
_OF_THE_COURSE = {"check", "hint", "mine", "numbers_of", "question", "show", "source"}
_ROUNDABOUT = {"_ctypes", "_frozen_importlib", "_frozen_importlib_external", "_imp", "builtins", "code", "codeop"}
_ROUNDABOUT |= {"ctypes", "gc", "imp", "importlib", "marshal", "pkgutil", "runpy", "zipimport"}
_CALLS = {"__import__", "eval", "exec", "compile", "__builtins__", "__loader__", "__spec__"}
_INSIDES = {"__builtins__", "__closure__", "__code__", "__globals__", "__import__", "__loader__", "__spec__"}
_INSIDES |= {"__subclasses__", "__wrapped__", "f_back", "f_builtins", "f_globals", "gi_frame", "meta_path", "tb_frame"}
_ALLOWED = "an answer is written with Python, NumPy and what the exercise gives"


def is_free(module: str) -> bool:
    """Whether any answer may import it: Python's own library and NumPy."""
    top = module.partition(".")[0]
    return top == "numpy" or top in sys.stdlib_module_names or top.startswith("_sysconfigdata")


def broken(source: str, given: str) -> str | None:
    """The sentence on the first line of an answer that breaks the rule, or None.

    Args:
        source: the answer's file.
        given: the exercise's lines that a learner keeps; what they import is allowed.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None  # importing it will say what is wrong with it
    except (RecursionError, MemoryError):
        return "it nests too deeply to be read"
    allowed = set(_imports(ast.parse(given)))
    aliases = {"sys"} | {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name == "sys"
    }
    found = ((getattr(node, "lineno", 0), text) for node in ast.walk(tree) if (text := _said(node, allowed, aliases)))
    line, text = min(found, default=(0, None))
    return f"line {line}: {text}; {_ALLOWED}" if text else None


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """What the lines import, but for what a probe does: module and name, "" for the module itself."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def _said(node: ast.AST, allowed: set[tuple[str, str]], sys_names: set[str]) -> str | None:
    """What is against the rule in this node."""
    match node:
        case ast.Import():
            bad = [alias.name for alias in node.names if not _may(alias.name, "", allowed)]
            return f"it imports {bad[0]}" if bad else None
        case ast.ImportFrom(level=0):
            module = node.module or ""
            bad = [alias.name for alias in node.names if not _may(module, alias.name, allowed)]
            return f"it imports {bad[0]} from {module}" if bad else None
        case ast.ImportFrom():
            return "it imports from its own folder"
        case ast.Name(id=name) if name in _CALLS:
            return f"it uses {name}"
        case ast.Attribute(attr=name) if name in _INSIDES:
            return f"it uses {name}"
        case ast.Attribute(value=ast.Name(id=of) | ast.Attribute(attr=of), attr="modules") if of in sys_names:
            return "it uses sys.modules"
        case ast.Constant(value=str(text)) if text in _INSIDES:
            return f"it uses {text!r}"
    return None


def _may(module: str, name: str, allowed: set[tuple[str, str]]) -> bool:
    if module.partition(".")[0] in _ROUNDABOUT or (module, name) == ("sys", "modules"):
        return False
    of_the_course = module == "minisd.course" and name in _OF_THE_COURSE
    return is_free(module) or of_the_course or (module, name) in allowed
