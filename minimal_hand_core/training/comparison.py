"""Settings of a run beside those that its checkpoint was made with."""

from __future__ import annotations

from typing import Any


def changes(then: Any, now: Any, name: str = '') -> dict[str, tuple[Any, Any]]:
    """Settings that differ, by dotted name: (then, now)."""
    if isinstance(then, dict) and isinstance(now, dict):
        # A setting that there is no more says nothing, but a reader's option does.
        gone = [key for key in then if key not in now] if name.endswith('.options') else []
        pairs = [(key, then.get(key), now.get(key)) for key in (*now, *gone)]
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        pairs = [(str(i), *pair) for i, pair in enumerate(zip(then, now))]
    else:
        return {} if then == now else {name: (then, now)}
    found = {}
    for key, old, new in pairs:
        found.update(changes(old, new, f'{name}.{key}' if name else key))
    return found


def matches(name: str, pattern: str) -> bool:
    """Whether a dotted name is what the pattern names, or a part of it."""
    parts, wanted = name.split('.'), pattern.split('.')
    return len(parts) >= len(wanted) and all(want in ('*', part) for part, want in zip(parts, wanted))


def plain(value: Any) -> Any:
    """Settings as YAML and `torch.save` have them: lists for tuples, plain floats for NumPy's."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return float(value) if isinstance(value, float) else value


def over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above`, with what it lacks from `below`."""
    merged = {**below, **above}
    for name, value in below.items():
        if isinstance(value, dict) and isinstance(above.get(name), dict):
            merged[name] = over(value, above[name])
    return merged
