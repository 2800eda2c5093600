"""Settings of a training run: YAML and `NAME=VALUE` → a frozen dataclass, with errors that name the setting.

A recipe is a dataclass whose fields are int, float, str, bool, such or None, tuples of them, `dict[str, Any]`, or
dataclasses of such; what its type cannot say it checks in `__post_init__` with `check`.
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import yaml

Recipe = TypeVar('Recipe')

_FLOAT = re.compile(r'[-+]?\d+[eE][-+]?\d+')
"""Numbers that YAML takes for text: it wants a point in them."""


class ConfigError(ValueError):
    """A setting is unknown, missing or out of range; the message names it."""


def check(fine: object, name: str, found: Any, wanted: str) -> None:
    """Raise ConfigError unless `fine`."""
    if not fine:
        raise ConfigError(f'{name} is {found!r}; give {wanted}')


def read_recipe(recipe: type[Recipe], path: Path | str, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read a YAML file.

    Args:
        recipe: the dataclass.
        path: the file.
        overrides: values by dotted name, such as {'data.real_hands': '/data/hands', 'steps': 100}.

    Raises:
        ConfigError: no such file, not YAML, an unknown name, a wrong type, or a value out of range.
    """
    return recipe_from_dict(recipe, read_tree(path, overrides))


def read_tree(path: Path | str | None, overrides: dict[str, Any] | None = None) -> dict[str, Any]:
    """The settings of a YAML file (none without a path), overridden, not yet checked.

    Raises:
        ConfigError: no such file, not YAML, or an override that goes through a value that has no settings.
    """
    tree = _read_yaml(path) if path is not None else {}
    for name, value in (overrides or {}).items():
        *parents, leaf = name.split('.')
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise ConfigError(f'{name} is not a setting: {parent} has no settings of its own')
        node[leaf] = value
    return tree


def _read_yaml(path: Path | str) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(Path(path).read_text()) or {}
    except OSError as error:
        raise ConfigError(f'{path} cannot be read: {error.strerror}') from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f'{path} is not YAML: {error}') from None
    if not isinstance(tree, dict):
        raise ConfigError(f'{path} holds a {type(tree).__name__}; expected names with values')
    return tree


def recipe_from_dict(recipe: type[Recipe], tree: dict[str, Any]) -> Recipe:
    """The inverse of `dataclasses.asdict`, with the checks of `read_recipe`."""
    built: Recipe = _build(recipe, tree, '')
    return built


def parse_override(text: str) -> tuple[str, Any]:
    """'data.workers=2' → ('data.workers', 2); the value is YAML.

    Raises:
        ConfigError: no '=' in it, or no YAML behind it.
    """
    name, separator, value = text.partition('=')
    if not separator:
        raise ConfigError(f'--set {text!r}: give NAME=VALUE')
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigError(f'--set {text!r}: {value!r} is not YAML') from None


def _build(recipe: type, tree: Any, prefix: str) -> Any:
    if not isinstance(tree, dict):
        raise ConfigError(f'{prefix.rstrip(".")} is {tree!r}; expected names with values')
    hints = get_type_hints(recipe)
    known = [f.name for f in fields(recipe)]
    values = {}
    for name, value in tree.items():
        if name not in known:
            raise ConfigError(f'{prefix}{name} is not a setting; choose from {", ".join(known)}')
        values[name] = _convert(hints[name], value, prefix + name)
    try:
        return recipe(**values)
    except TypeError:
        missing = [f.name for f in fields(recipe) if f.name not in values]
        raise ConfigError(f'{prefix.rstrip(".")}: give {missing[0]}') from None


def _convert(wanted: Any, value: Any, name: str) -> Any:
    if is_dataclass(wanted):
        return _build(wanted, value, name + '.')  # type: ignore[arg-type]
    if get_origin(wanted) is UnionType:
        (kind,) = (part for part in get_args(wanted) if part is not NoneType)
        return None if value is None else _convert(kind, value, name)
    if get_origin(wanted) is tuple and isinstance(value, list | tuple):
        kinds = get_args(wanted)
        if kinds[-1] is Ellipsis:
            kinds = (kinds[0],) * len(value)
        if len(kinds) == len(value):
            return tuple(_convert(kind, item, f'{name}[{i}]') for i, (kind, item) in enumerate(zip(kinds, value)))
    if get_origin(wanted) is dict and isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return dict(value)
    if wanted is float and _is_number(value):
        return float(value)
    if wanted is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if (wanted is str and isinstance(value, str)) or (wanted is bool and isinstance(value, bool)):
        return value
    if wanted is float and isinstance(value, str) and _FLOAT.fullmatch(value):
        return float(value)
    kind = str(wanted) if get_origin(wanted) else getattr(wanted, '__name__', wanted)
    raise ConfigError(f'{name} is {value!r}; expected {kind}')


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
