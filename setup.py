"""Installation with pip, on machines without ROS. colcon builds the same package from CMakeLists.txt."""

import os
import re
import sys
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
NOT_INSTALLED = Path('config/training/log')
"""Recipes that only record how the default weights were made."""
sys.path.insert(0, str(ROOT / 'tools'))
import interfaces  # noqa: E402


def requirements(name: str) -> list[str]:
    """Return the lines of requirements/<name>.txt that are not comments."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith('#')]


def shared_files() -> list[tuple[str, list[str]]]:
    """Return the data_files entries that put launch/, config/ and urdf/ where ROS looks for them, share/<package>."""
    found = [path for folder in ('launch', 'config', 'urdf') for path in sorted((ROOT / folder).rglob('*'))]
    files = [path.relative_to(ROOT) for path in found if path.is_file() and path.suffix != '.pyc']
    files = [path for path in files if path.parent != NOT_INSTALLED]
    return [(f'share/{interfaces.NAME}/{path.parent}', [str(path)]) for path in files]


class BuildInterfaces(build_ext):
    """In place of compiling an extension: generate messages and services, and take the result along."""

    def run(self) -> None:
        for name, stage in interfaces.build_all(Path(self.build_temp).resolve()).items():
            interfaces.copy_package(stage, name, Path(self.build_lib) / name)
            for path in interfaces.support_files(stage):
                # data_files wants sources relative to the folder setup.py runs in.
                entry = (str(path.parent.relative_to(stage)), [os.path.relpath(path)])
                self.distribution.data_files.append(entry)


setup(
    name=interfaces.NAME,
    version=re.search('<version>(.+)</version>', (ROOT / 'package.xml').read_text())[1],
    description='Hand tracking from one colour camera, as ROS 2 nodes and as a Python library',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=['minimal_hand_ros*', 'minimal_hand_core*']),
    package_data={'minimal_hand_core': ['py.typed', 'assets/*']},
    data_files=shared_files(),
    install_requires=requirements('runtime'),
    extras_require={
        name: requirements(name)
        for name in ('ros', 'openvino', 'training', 'plots', 'retarget', 'viewer', 'ray', 'docs', 'test', 'tools')
    },
    # Makes the wheel one for this platform and runs build_ext; there is no source file to compile.
    ext_modules=[Extension(interfaces.NAME, [])],
    cmdclass={'build_ext': BuildInterfaces},
    zip_safe=False,
)
