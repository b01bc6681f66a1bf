"""What a test reads of the pages, found in its source.

It, and the functions, classes and fixtures of its module that it uses.
"""

import ast
from pathlib import Path

from tests.support.pages import ROOT

EVERY, SOME = "every block", "some blocks"
_READERS = {"blocks", "commands"}


def read_by(test: str) -> set[tuple[str, str, str]]:
    """Page, kind and whether it takes every block, for each reading of a test (`path::name`), which must be there."""
    path, _, name = test.partition("::")
    module = ast.parse(Path(ROOT / path).read_text("utf-8"))
    names = _defined(module)
    assert isinstance(names.get(name), ast.FunctionDef), f"{path} has no {name}"
    above = {child: node for node in ast.walk(module) for child in ast.iter_child_nodes(node)}
    found = set()
    for part in _used(name, names):
        for node in ast.walk(part):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _READERS:
                page, kind, *heading = [_text(argument, names) for argument in _arguments(node)]
                whole = not heading and _takes_every(node, above)
                found.add((page, kind, EVERY if whole else SOME))
    return found


def _defined(module: ast.Module) -> dict[str, ast.AST]:
    """What a module defines at its top, by name."""
    found: dict[str, ast.AST] = {}
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign):
            found |= {target.id: node.value for target in node.targets if isinstance(target, ast.Name)}
    return found


def _used(name: str, names: dict[str, ast.AST]) -> list[ast.AST]:
    """The definition of a name, and of all that it leads to; a fixture is named by an argument."""
    seen, left = [], [name]
    for one in left:
        seen.append(names[one])
        said = [node.id for node in ast.walk(names[one]) if isinstance(node, ast.Name)]
        said += [node.arg for node in ast.walk(names[one]) if isinstance(node, ast.arg)]
        left += [other for other in dict.fromkeys(said) if other in names and other not in left]
    return seen


def _arguments(call: ast.Call) -> list[ast.AST]:
    """Page, kind, and the heading if there is one."""
    given: list[ast.AST] = [*call.args, *(keyword.value for keyword in call.keywords)]
    assert isinstance(call.func, ast.Name)
    return [given[0], ast.Constant("console"), *given[1:]] if call.func.id == "commands" else given


def _text(node: ast.AST, names: dict[str, ast.AST]) -> str:
    """A text, or that of a constant of the module; what is neither is no page."""
    if isinstance(node, ast.Name):
        node = names.get(node.id, node)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _takes_every(node: ast.AST, above: dict[ast.AST, ast.AST]) -> bool:
    """Whether whoever reads takes all: one after the other, or into as many names as there are."""
    parent = above[node]
    while isinstance(parent, ast.Tuple):
        parent = above[parent]
    if isinstance(parent, ast.Assign):
        whole = all(isinstance(target, ast.Tuple) for target in parent.targets)
        return whole and not any(isinstance(one, ast.Starred) for target in parent.targets for one in ast.walk(target))
    return isinstance(parent, ast.For | ast.comprehension | ast.Call)
