"""The house rules that imports and sizes can break."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / 'minimal_hand_core'
NODES = ROOT / 'minimal_hand_ros'
MODULES = sorted([*CORE.rglob('*.py'), *NODES.rglob('*.py')])

# Where ROS comes in: nothing of it, nor of our own nodes, may be imported by the core.
ROS_PACKAGES = {
    'ament_index_python',
    'builtin_interfaces',
    'cv_bridge',
    'launch',
    'launch_ros',
    'minimal_hand_ros',
    'rcl_interfaces',
    'rclpy',
    'rosidl_runtime_py',
    'tf2_msgs',
    'tf2_ros',
}

# From a picture to a pose. Each may import those before it, none of those after it.
LAYERS = ['hand', 'detnet', 'shape', 'pose', 'inference', 'tracking', 'robots']
# Work with the finished layers; no layer may need them.
TOOLS = ['data', 'recording', 'training', 'evaluation', 'viewing', 'offline']

LONGEST = 400


def imported(path: Path) -> set[str]:
    """Return the dotted names a module imports, relative imports resolved, function bodies included.

    `from package import name` counts as package.name too, since name may be a module.
    """
    package = list(path.relative_to(ROOT).with_suffix('').parts)[:-1]
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = '.'.join([*base, *filter(None, [node.module])])
            names.add(module)
            names.update(f'{module}.{alias.name}' for alias in node.names)
    return names


def layer_of(name: str) -> str | None:
    """Return the part of the core a dotted name belongs to, such as 'pose'; None for anything else."""
    parts = name.split('.')
    known = len(parts) > 1 and parts[0] == 'minimal_hand_core' and (CORE / parts[1]).is_dir()
    return parts[1] if known else None


IMPORTS = {path: imported(path) for path in MODULES}


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_rules_cover_every_part_of_the_core() -> None:
    parts = {path.name for path in CORE.iterdir() if path.is_dir() and any(path.rglob('*.py'))}
    assert parts <= {*LAYERS, *TOOLS}


def test_core_knows_nothing_of_ros() -> None:
    wrong = {}
    for path, names in IMPORTS.items():
        roots = {name.split('.')[0] for name in names}
        found = {root for root in roots if root in ROS_PACKAGES or root.endswith(('_msgs', '_srvs'))}
        if CORE in path.parents and found:
            wrong[short(path)] = found
    assert not wrong


@pytest.mark.parametrize('layer', LAYERS)
def test_layers_import_downwards_only(layer: str) -> None:
    forbidden = {*LAYERS[LAYERS.index(layer) + 1 :], *TOOLS}
    wrong = {}
    for path in sorted((CORE / layer).rglob('*.py')):
        above = {name for name in IMPORTS[path] if layer_of(name) in forbidden}
        if above:
            wrong[short(path)] = above
    assert not wrong, f'{layer} may only import {LAYERS[: LAYERS.index(layer)]}'


def test_hand_stands_alone() -> None:
    wrong = {}
    for path in sorted((CORE / 'hand').rglob('*.py')):
        ours = {name for name in IMPORTS[path] if name.split('.')[0] in ('minimal_hand_core', 'minimal_hand_ros')}
        others = {name for name in ours if not name.startswith('minimal_hand_core.hand')}
        if others:
            wrong[short(path)] = others
    assert not wrong


def test_modules_stay_readable() -> None:
    lengths = {short(path): len(path.read_text().splitlines()) for path in MODULES}
    long = {name: length for name, length in lengths.items() if length > LONGEST}
    assert not long, 'two ideas in one file: split it'


def test_modules_say_what_they_are() -> None:
    texts = {short(path): path.read_text() for path in MODULES}
    silent = [name for name, text in texts.items() if text.strip() and not ast.get_docstring(ast.parse(text))]
    assert not silent, 'no module docstring'


def test_no_build_file_names_a_machine() -> None:
    files = [ROOT / 'Makefile', ROOT / 'setup.py', ROOT / 'CMakeLists.txt', ROOT / 'pyproject.toml', ROOT / 'setup.cfg']
    files += [*sorted((ROOT / 'tools').glob('*.py')), *sorted((ROOT / 'requirements').iterdir())]
    for path in files:
        for place in ('/home/', '/root/', '/work/', 'file://'):
            assert place not in path.read_text(), f'{path.name} names {place}'
