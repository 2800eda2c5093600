"""The page of what the core's packages offer to Python: their __all__, with the first sentence of each docstring."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from types import ModuleType

import minimal_hand_core
from tools.reference.markdown import code, prose, table

_HEAD = """# Python

What each package of `minimal_hand_core` offers. Shapes, units, frames and errors are in the docstrings:
`help(minimal_hand_core.tracking.HandTracker)`. Nothing here imports ROS.
"""


def python_page() -> str:
    """Markdown of the page."""
    return '\n'.join([_HEAD, *(part for package in _packages() for part in _package(package))])


def _packages() -> Iterator[ModuleType]:
    for info in pkgutil.walk_packages(minimal_hand_core.__path__, 'minimal_hand_core.'):
        if info.ispkg:
            package = importlib.import_module(info.name)
            if getattr(package, '__all__', None):
                yield package


def _package(package: ModuleType) -> Iterator[str]:
    yield f'## {package.__name__}\n'
    yield prose(_sentence(package)) + '\n'
    rows = []
    for name in package.__all__:
        found = getattr(package, name)
        if isinstance(found, ModuleType):
            continue
        described = inspect.isclass(found) or inspect.isroutine(found)
        arguments = _arguments(found) if inspect.isroutine(found) else ''
        rows.append([code(name + arguments), prose(_sentence(found) if described else _about(package, name))])
    yield table(['Name', 'What it is'], rows)


def _arguments(found: object) -> str:
    try:
        names = list(inspect.signature(found).parameters.values())  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return '(…)'
    needed = [p.name for p in names if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return f'({", ".join([*needed, *(["…"] if len(needed) < len(names) else [])])})'


def _about(package: ModuleType, name: str) -> str:
    """The string below a constant, where its module says it; else its value, or its type."""
    value = getattr(package, name)
    for info in pkgutil.iter_modules(package.__path__, f'{package.__name__}.'):
        module = sys.modules.get(info.name)
        if module is None or getattr(module, name, None) is not value:
            continue
        body = ast.parse(inspect.getsource(module)).body
        for node, following in zip(body, body[1:]):
            targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, 'targets', [])
            if name in [ast.unparse(target) for target in targets] and isinstance(following, ast.Expr):
                return _first(ast.literal_eval(following.value))
    text = repr(value)
    return code(text) if isinstance(value, (str, int, float, tuple)) and len(text) < 80 else type(value).__name__


def _sentence(found: object) -> str:
    return _first(inspect.getdoc(found) or '')


def _first(docstring: str) -> str:
    return ' '.join(docstring.split('\n\n')[0].split())
