"""What pip and colcon install: checked on the files, and once for real, by installing with pip into an empty place."""

import ast
import configparser
import importlib
import json
import os
import re
import runpy
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[1]
INTERFACES = sorted([*(ROOT / 'msg').glob('*.msg'), *(ROOT / 'srv').glob('*.srv')])
RECORD = 'training/log'
EXECUTABLES = {'camera_node', 'keypoint_node', 'shape_server', 'ik_node', 'tracker', 'retarget', 'viewer', 'demo'}

# The distribution, or ROS package, that brings a module, where the names differ; None: always there.
PIP_NAMES = {'cv2': 'opencv-python-headless', 'yaml': 'pyyaml'}
ROS_NAMES = {'cv2': 'python3-opencv', 'numpy': 'python3-numpy', 'scipy': 'python3-scipy', 'yaml': 'python3-yaml'}
ROS_NAMES |= {'tf2_ros': 'tf2_ros_py'}
# Optional engines and readers, imported only where someone asks for them.
OPTIONAL = {'onnxruntime', 'openvino', 'onnx', 'anny', 'matplotlib', 'tensorboard', 'mcap_ros2', 'rosbags'}
OPTIONAL |= {'dex_retargeting', 'ray', 'viser', 'websockets'}


def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / 'setup.cfg')
    return parser


def entry_points() -> dict[str, str]:
    lines = setup_cfg()['options.entry_points']['console_scripts'].strip().splitlines()
    return dict(re.split(r'\s*=\s*', line.strip()) for line in lines)


def package_xml() -> ElementTree.Element:
    return ElementTree.parse(ROOT / 'package.xml').getroot()


def requirements(name: str) -> set[str]:
    """Return the names, without versions and extras, of requirements/<name>.txt."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    return {re.match(r'[\w-]+', line).group().lower() for line in lines if line and not line.startswith('#')}


def third_party(package: str) -> dict[str, str]:
    """Return module → a file that imports it, for everything outside the standard library and this repository."""
    found = {}
    for path in sorted((ROOT / package).rglob('*.py')):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            found.update({name.split('.')[0]: str(path.relative_to(ROOT)) for name in names})
    ours = {'minimal_hand_core', 'minimal_hand_ros'}
    return {name: path for name, path in found.items() if name not in sys.stdlib_module_names and name not in ours}


@pytest.mark.parametrize('name', sorted(entry_points()))
def test_entry_points_can_be_called(name: str) -> None:
    module, function = entry_points()[name].split(':')
    if module.startswith('minimal_hand_ros'):
        pytest.importorskip('rclpy', reason='rclpy is not installed')
    assert callable(getattr(importlib.import_module(module), function))


def test_all_executables_are_there() -> None:
    assert set(entry_points()) >= EXECUTABLES


def test_setup_cfg_holds_nothing_that_fights_ament() -> None:
    # ament puts a setup.py with its own metadata beside a copy of this file.
    assert set(setup_cfg().sections()) == {'options.entry_points', 'develop', 'install'}


def test_package_xml_and_cmake_agree() -> None:
    cmake = (ROOT / 'CMakeLists.txt').read_text()
    xml = package_xml()
    assert re.search(r'project\((\w+)\)', cmake)[1] == xml.find('name').text
    tags = ('buildtool_depend', 'build_depend', 'depend', 'test_depend')
    declared = {element.text for tag in tags for element in xml.iter(tag)}
    assert set(re.findall(r'find_package\((\w+)', cmake)) <= declared
    generated_from = set(re.search(r'DEPENDENCIES ([\w ]+)\)', cmake)[1].split())
    assert generated_from <= {element.text for element in xml.iter('depend')}


def test_cmake_generates_every_interface() -> None:
    listed = re.search(r'set\(interfaces\s+([^)]*)\)', (ROOT / 'CMakeLists.txt').read_text())[1].split()
    assert listed == [str(path.relative_to(ROOT)) for path in INTERFACES]


def test_interface_dependencies_are_declared() -> None:
    packages = {name for path in INTERFACES for name in re.findall(r'^(\w+)/', path.read_text(), re.MULTILINE)}
    assert packages == {element.text for element in package_xml().iter('depend')}


@pytest.mark.parametrize('path', INTERFACES, ids=lambda path: path.name)
def test_every_field_has_a_comment(path: Path) -> None:
    text = path.read_text()
    # Some ROS tools read these files as ASCII.
    assert text.isascii()
    lines = text.splitlines()
    fields = [i for i, line in enumerate(lines) if re.match(r'[\w/]+(\[\d*\])? \w+$', line)]
    assert len(fields) >= 5
    for i in fields:
        assert lines[i - 1].startswith('# '), f'{path.name}: nothing says what {lines[i]!r} is'


@pytest.mark.parametrize('path', INTERFACES, ids=lambda path: path.name)
def test_generated_interfaces_are_those_of_the_sources(path: Path) -> None:
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    kinds = importlib.import_module(f'minimal_hand_ros.{path.suffix[1:]}')
    parts = [getattr(kinds, path.stem)]
    if path.suffix == '.srv':
        parts = [parts[0].Request, parts[0].Response]
    for part, text in zip(parts, path.read_text().split('\n---\n')):
        fields = re.findall(r'^[\w/]+(?:\[\d*\])? (\w+)$', text, re.MULTILINE)
        assert list(part.get_fields_and_field_types()) == fields, 'generated from an older file: make setup'


def test_every_import_of_the_core_is_required_by_pip() -> None:
    imported = third_party('minimal_hand_core')
    missing = {
        name: path for name, path in imported.items() if PIP_NAMES.get(name, name) not in requirements('runtime')
    }
    assert not {name: path for name, path in missing.items() if name not in OPTIONAL}


def test_every_import_of_the_nodes_is_declared_to_ros() -> None:
    xml = package_xml()
    declared = {element.text for tag in ('depend', 'exec_depend') for element in xml.iter(tag)}
    # rclpy and the messages bring these along.
    declared |= {'builtin_interfaces', 'ament_index_python'}
    by_pip = {'torch', 'rich', 'numba', 'safetensors'}
    imported = third_party('minimal_hand_ros')
    missing = {name: path for name, path in imported.items() if ROS_NAMES.get(name, name) not in declared | by_pip}
    assert not missing


def test_what_is_required_is_used() -> None:
    imported = {PIP_NAMES.get(name, name) for part in ('core', 'ros') for name in third_party(f'minimal_hand_{part}')}
    assert requirements('runtime') <= imported


def test_every_folder_of_modules_is_a_package() -> None:
    # Folders without it would be left out of a wheel without a word.
    for package in ('minimal_hand_core', 'minimal_hand_ros'):
        for folder in {path.parent for path in (ROOT / package).rglob('*.py')}:
            assert (folder / '__init__.py').is_file(), f'{folder.relative_to(ROOT)} has no __init__.py'


def test_our_init_joins_sources_and_generated_modules() -> None:
    assert 'extend_path' in (ROOT / 'minimal_hand_ros' / '__init__.py').read_text()


def test_recipes_that_are_a_record_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict = {}
    monkeypatch.setattr(pytest.importorskip('setuptools'), 'setup', lambda **options: given.update(options))
    monkeypatch.setattr(sys, 'path', [*sys.path])
    runpy.run_path(str(ROOT / 'setup.py'))
    folders = {folder for folder, _ in given['data_files']}
    assert 'share/minimal_hand_ros/config/training' in folders
    assert not [folder for folder in folders if folder.endswith(RECORD)]
    installed = re.search(r'install\(DIRECTORY launch config urdf [^)]*\)', (ROOT / 'CMakeLists.txt').read_text())[0]
    assert f'PATTERN {RECORD} EXCLUDE' in installed


def test_setup_needs_nothing_beyond_the_standard_library() -> None:
    tree = ast.parse((ROOT / 'tools' / 'setup_env.py').read_text(), feature_version=(3, 7))
    modules = {
        alias.name.split('.')[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    modules |= {node.module.split('.')[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules <= sys.stdlib_module_names | {'interfaces'}


def build_environment() -> dict[str, str]:
    """The environment without what the ROS wheels set for this interpreter, since another one has to set its own.

    Where `make setup` has generated the interfaces, the build takes those, which saves a minute.
    """
    drop = ('_ROS_WHEELS_BOOTSTRAP_COMPLETE', 'LD_LIBRARY_PATH', 'PYTHONPATH')
    environment = {key: value for key, value in os.environ.items() if key not in drop}
    generated = Path(sys.prefix) / '.setup' / 'interfaces'
    if generated.is_dir():
        environment['MINIMAL_HAND_INTERFACES'] = str(generated)
    return environment


@pytest.fixture(scope='module')
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built by way of a source distribution, so that what is said of the wheel holds for both."""
    pytest.importorskip('rosidl_generator_py', reason='no ROS message generators are installed')
    folder = tmp_path_factory.mktemp('wheel')
    sdist = ['setup.py', '-q', 'egg_info', '-e', str(folder), 'sdist', '-d', str(folder)]
    subprocess.run([sys.executable, *sdist], cwd=ROOT, check=True, env=build_environment())
    source = next(folder.glob('*.tar.gz'))
    command = [sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation', '-w', str(folder)]
    subprocess.run([*command, str(source)], check=True, env=build_environment())
    return next(folder.glob('*.whl'))


@pytest.mark.slow
def test_wheel_works_where_nothing_of_the_repository_is(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    for path in [path for folder in ('launch', 'config', 'urdf') for path in (ROOT / folder).rglob('*')]:
        if path.is_file() and '__pycache__' not in path.parts and not path.parent.match(RECORD):
            assert any(name.endswith(f'data/share/minimal_hand_ros/{path.relative_to(ROOT)}') for name in names)
    for path in (ROOT / 'minimal_hand_core' / 'assets').iterdir():
        assert f'minimal_hand_core/assets/{path.name}' in names
    for path in [*(ROOT / 'minimal_hand_core').rglob('*.py'), *(ROOT / 'minimal_hand_ros').rglob('*.py')]:
        assert str(path.relative_to(ROOT)) in names
    venv = tmp_path / 'venv'
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', str(venv)], check=True, env=build_environment())
    python = venv / 'bin' / 'python'
    install = [sys.executable, '-m', 'pip', '--python', str(python), 'install', '-q', '--no-deps', '--no-index']
    subprocess.run([*install, str(wheel)], check=True, env=build_environment())
    for name in entry_points():
        assert os.access(venv / 'bin' / name, os.X_OK)
    assert (venv / 'share' / 'ament_index' / 'resource_index' / 'packages' / 'minimal_hand_ros').is_file()
    # The packages it depends on are those of this environment.
    site_packages = next(venv.glob('lib/python3*/site-packages'))
    (site_packages / 'dependencies.pth').write_text(sysconfig.get_path('purelib') + '\n')
    program = (
        'import json, minimal_hand_ros, minimal_hand_core.hand\n'
        'from minimal_hand_ros.msg import HandPose\n'
        'from minimal_hand_ros.files import shared_file\n'
        'model = minimal_hand_core.hand.load_hand_model()\n'
        'print(json.dumps([minimal_hand_core.__path__, HandPose.__module__, len(model.faces)] +\n'
        '    [str(shared_file(name)) for name in ("config/tracker.yaml", "launch/tracker.launch.py")]))\n'
    )
    environment = {**build_environment(), 'LD_LIBRARY_PATH': f'{venv}/lib:{sys.prefix}/lib'}
    output = subprocess.check_output([str(python), '-c', program], cwd=tmp_path, text=True, env=environment)
    core, module, faces, *files = json.loads(output.splitlines()[-1])
    assert core == [str(site_packages / 'minimal_hand_core')]
    assert module == 'minimal_hand_ros.msg._hand_pose'
    assert faces > 1000
    assert all(name.startswith(str(venv / 'share')) for name in files)
