"""docker/: the images cannot be built where these tests run; what the files name is compared with what there is."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[1]
DISTRIBUTIONS = ('humble', 'jazzy', 'kilted')
KNOWN = {'FROM', 'SHELL', 'WORKDIR', 'COPY', 'RUN', 'ENV', 'CMD', 'ENTRYPOINT'}


def instructions(distribution: str) -> list[tuple[str, str]]:
    """(instruction, rest of its line) with continued lines joined and comments left out."""
    text = (ROOT / 'docker' / f'Dockerfile.{distribution}').read_text()
    lines = [line for line in text.splitlines() if not line.startswith('#')]
    joined = re.sub(r'\\\n\s*', '', '\n'.join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def of_kind(distribution: str, kind: str) -> list[str]:
    return [rest for name, rest in instructions(distribution) if name == kind]


def allowed() -> set[str]:
    """What .dockerignore lets into the build."""
    lines = (ROOT / '.dockerignore').read_text().splitlines()
    assert '*' in lines
    return {line[1:] for line in lines if line.startswith('!')}


def test_there_is_one_for_each_distribution() -> None:
    assert {path.suffix[1:] for path in (ROOT / 'docker').glob('Dockerfile.*')} == set(DISTRIBUTIONS)


@pytest.mark.parametrize('distribution', DISTRIBUTIONS)
def test_a_file_is_made_of_known_instructions_and_images(distribution: str) -> None:
    found = instructions(distribution)
    assert {name for name, _ in found} <= KNOWN
    assert found[0] == ('FROM', f'ros:{distribution}-ros-base')
    assert [name for name, _ in found].count('FROM') == 1
    for kind in ('SHELL', 'ENTRYPOINT', 'CMD'):
        for rest in of_kind(distribution, kind):
            assert isinstance(json.loads(rest), list), f'{kind} is not in the form that passes signals on'


def test_they_differ_in_the_distribution_alone() -> None:
    texts = {
        (ROOT / 'docker' / f'Dockerfile.{name}').read_text().replace(name.capitalize(), 'X').replace(name, 'x')
        for name in DISTRIBUTIONS
    }
    assert len(texts) == 1


@pytest.mark.parametrize('distribution', DISTRIBUTIONS)
def test_what_is_copied_is_there(distribution: str) -> None:
    for rest in of_kind(distribution, 'COPY'):
        *sources, _ = shlex.split(rest)
        for source in sources:
            assert (ROOT / source).exists(), source
            assert source == '.' or source in allowed(), f'.dockerignore keeps {source} out'


def test_all_that_is_built_and_installed_comes_along() -> None:
    assert {name for name in allowed() if not (ROOT / name).exists()} == set()
    cmake = (ROOT / 'CMakeLists.txt').read_text()
    needed = {'CMakeLists.txt', 'package.xml', 'setup.cfg', 'requirements', 'msg', 'srv'}
    needed |= {
        name for names in re.findall(r'install\(DIRECTORY ([\w/ ]+?) DESTINATION', cmake) for name in names.split()
    }
    needed |= {re.search(r'ament_python_install_package\((\w+)', cmake)[1], 'cmake'}
    needed.add(ElementTree.parse(ROOT / 'package.xml').find('license').get('file'))
    assert {name.rstrip('/') for name in needed} <= allowed()


@pytest.mark.parametrize('distribution', DISTRIBUTIONS)
def test_commands_name_what_exists(distribution: str) -> None:
    commands = ' && '.join(of_kind(distribution, 'RUN'))
    pinned = re.search(r'torch==([\d.]+)', (ROOT / 'requirements' / 'runtime.txt').read_text())[0]
    assert re.findall(r'torch==[\d.]+', commands) == [pinned]
    for file in re.findall(r'src/minimal_hand_ros/(\S+\.txt)', commands):
        assert (ROOT / file).is_file(), file
    for module in re.findall(r'python3 -m (minimal_hand\S+)', commands):
        assert (ROOT / f'{module.replace(".", "/")}.py').is_file(), module
    assert set(re.findall(r'/opt/ros/(\w+)/', commands)) == {distribution}
    (entry,) = of_kind(distribution, 'ENTRYPOINT')
    assert (ROOT / 'launch' / re.search(r'[\w.]+\.launch\.py', entry)[0]).is_file()
    skipped = re.search(r"--skip-keys '([^']*)'", commands)[1].split()
    declared = {element.text for element in ElementTree.parse(ROOT / 'package.xml').getroot()}
    assert set(skipped) <= declared


def test_pip_keeps_the_numpy_that_ros_is_built_for() -> None:
    lines = (ROOT / 'requirements' / 'ros_machine.txt').read_text().splitlines()
    assert {'-r runtime.txt', 'numpy<2'} <= set(lines)
