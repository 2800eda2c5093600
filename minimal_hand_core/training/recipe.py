"""Settings of a training run: YAML and `NAME=VALUE` → a frozen dataclass, with errors that name the setting.

A recipe is a dataclass whose fields are int, float, str, bool, `str | None`, tuples of str or float, or dataclasses of
such; what its type cannot say it checks in `__post_init__` with `check`.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import yaml

Recipe = TypeVar('Recipe')


class ConfigError(ValueError):
    """A setting is unknown, missing or out of range; the message names it."""


def check(fine: bool, name: str, found: Any, wanted: str) -> None:
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
    try:
        tree = yaml.safe_load(Path(path).read_text()) or {}
    except OSError as error:
        raise ConfigError(f'{path} cannot be read: {error.strerror}') from None
    except yaml.YAMLError as error:
        raise ConfigError(f'{path} is not YAML: {error}') from None
    if not isinstance(tree, dict):
        raise ConfigError(f'{path} holds a {type(tree).__name__}; expected names with values')
    for name, value in (overrides or {}).items():
        *parents, leaf = name.split('.')
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise ConfigError(f'{name} is not a setting: {parent} has no settings of its own')
        node[leaf] = value
    return recipe_from_dict(recipe, tree)


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
    return recipe(**values)


def _convert(wanted: Any, value: Any, name: str) -> Any:
    if is_dataclass(wanted):
        return _build(wanted, value, name + '.')  # type: ignore[arg-type]
    if wanted is float and _is_number(value):
        return float(value)
    if wanted is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if (wanted is str and isinstance(value, str)) or (wanted is bool and isinstance(value, bool)):
        return value
    if wanted == (str | None) and (value is None or isinstance(value, str)):
        return value
    if wanted == tuple[str, ...] and isinstance(value, list | tuple) and all(isinstance(v, str) for v in value):
        return tuple(value)
    if wanted == tuple[float, ...] and isinstance(value, list | tuple) and all(map(_is_number, value)):
        return tuple(float(v) for v in value)
    raise ConfigError(f'{name} is {value!r}; expected {getattr(wanted, "__name__", wanted)}')


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
