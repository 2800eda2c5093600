"""tools/setup_env.py: what it asks of a machine, and when it does a step again."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def setup_env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, keeping its state in an empty folder."""
    spec = importlib.util.spec_from_file_location('setup_env', ROOT / 'tools' / 'setup_env.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, 'STATE', tmp_path)
    monkeypatch.setattr(module, 'LOG', tmp_path / 'setup.log')
    return module


@pytest.fixture
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('platform.system', lambda: 'Linux')
    monkeypatch.setattr('platform.machine', lambda: 'x86_64')


@pytest.mark.usefixtures('linux')
def test_missing_programs_are_named_with_the_command_that_installs_them(setup_env, monkeypatch) -> None:
    monkeypatch.delenv('CC', raising=False)
    monkeypatch.delenv('CXX', raising=False)
    monkeypatch.setattr('shutil.which', lambda name: None)
    with pytest.raises(setup_env.SetupError) as caught:
        setup_env.check_system()
    text = str(caught.value)
    assert 'cmake 3.20 or newer\n' in text
    assert 'a compiler (c++)' in text
    command = text.splitlines()[-1]
    assert 'sudo apt-get install' in command
    assert {'gcc', 'g++', 'cmake'} <= set(command.split())


def test_old_cmake_is_named_with_its_version(setup_env, monkeypatch) -> None:
    monkeypatch.setattr(setup_env, 'cmake_version', lambda: (3, 16))
    assert ('cmake 3.20 or newer (found 3.16)', 'cmake') in setup_env.missing_system_packages()


def test_missing_headers_are_named(setup_env, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr('sysconfig.get_path', lambda name: str(tmp_path))
    version = '.'.join(map(str, sys.version_info[:2]))
    assert (f'the header files of python{version}', f'python{version}-dev') in setup_env.missing_system_packages()


@pytest.mark.parametrize(('system', 'machine'), [('Darwin', 'arm64'), ('Linux', 'aarch64'), ('Windows', 'AMD64')])
def test_machines_without_wheels_are_sent_to_colcon(setup_env, monkeypatch, system, machine) -> None:
    monkeypatch.setattr('platform.system', lambda: system)
    monkeypatch.setattr('platform.machine', lambda: machine)
    with pytest.raises(setup_env.SetupError, match=f'{system} on {machine}.*\n.*colcon'):
        setup_env.check_system()


def test_unsupported_python_looks_for_another(setup_env, monkeypatch) -> None:
    monkeypatch.setattr(sys, 'version_info', (3, 9, 1))
    monkeypatch.setattr('shutil.which', lambda name: sys.executable if name == 'python3.12' else None)
    assert setup_env.find_python() == sys.executable
    monkeypatch.setattr('shutil.which', lambda name: None)
    with pytest.raises(setup_env.SetupError, match=r'Python 3\.9 .*\n.*apt-get install python3\.11'):
        setup_env.find_python()


def test_a_step_is_done_again_only_when_its_inputs_change(setup_env, monkeypatch) -> None:
    monkeypatch.setattr(setup_env, 'check_system', lambda: None)
    done = []
    for key in ('a', 'a', 'b', 'b'):
        setup_env.step('some', key, lambda: done.append(key))  # noqa: B023
    assert done == ['a', 'b']


def test_a_failed_step_is_tried_again(setup_env, monkeypatch) -> None:
    monkeypatch.setattr(setup_env, 'check_system', lambda: None)
    done = []
    setup_env.step('some', 'a', lambda: done.append('first'))

    def fail() -> None:
        raise setup_env.SetupError('no network')

    with pytest.raises(setup_env.SetupError):
        setup_env.step('some', 'b', fail)
    setup_env.step('some', 'a', lambda: done.append('again'))
    assert done == ['first', 'again']


def test_failure_shows_the_last_lines(setup_env, capsys) -> None:
    program = 'print("\\n".join(f"line {i}" for i in range(100))); raise SystemExit(3)'
    with pytest.raises(setup_env.SetupError) as caught:
        setup_env.run('counting', [sys.executable, '-c', program])
    lines = str(caught.value).splitlines()
    assert lines[0].startswith('counting failed')
    assert lines[-1] == 'line 99'
    assert len(lines) < 40
    assert 'line 99' not in capsys.readouterr().out


def test_a_sourced_ros_stays_outside(setup_env, monkeypatch) -> None:
    for name in setup_env.FOREIGN:
        monkeypatch.setenv(name, 'of_another_ros')
    # The interpreter of the base installation: that of this environment may set some of them itself.
    python = getattr(sys, '_base_executable', sys.executable)
    setup_env.run('looking', [python, '-S', '-c', 'import os; print(sorted(os.environ.items()))'])
    assert 'of_another_ros' not in setup_env.LOG.read_text()


def test_digest_follows_content_and_names(setup_env, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(setup_env, 'ROOT', tmp_path)
    folder = tmp_path / 'msg'
    folder.mkdir()
    (folder / 'A.msg').write_text('int32 a\n')
    digests = [setup_env.digest(folder), setup_env.digest(folder)]
    (folder / 'A.msg').write_text('int32 b\n')
    digests.append(setup_env.digest(folder))
    (folder / 'A.msg').rename(folder / 'B.msg')
    digests.append(setup_env.digest(folder))
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_generators_are_those_of_pyproject(setup_env) -> None:
    tomllib = pytest.importorskip('tomllib', reason='tomllib came with Python 3.11')
    requires = tomllib.loads((ROOT / 'pyproject.toml').read_text())['build-system']['requires']
    assert setup_env.generators() == requires


def test_kernels_that_do_not_compile_do_not_stop_the_set_up(setup_env, monkeypatch, capsys) -> None:
    assert ROOT / 'minimal_hand_core/tracking/hand_fit_kernel.py' in setup_env.kernels()

    def fail(what: str, command: list) -> None:
        assert command[1:] == ['-m', 'minimal_hand_core.warm_up']
        raise setup_env.SetupError('no such kernel')

    monkeypatch.setattr(setup_env, 'run', fail)
    setup_env.compile_kernels()
    assert 'no such kernel' in capsys.readouterr().out


def test_commands_may_start_processes_of_their_own(setup_env, monkeypatch, tmp_path) -> None:
    """Each of these imports the command's file again, and must not run it."""
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'lib' / 'python3' / 'site-packages').mkdir(parents=True)
    (tmp_path / 'share' / 'minimal_hand_ros').mkdir(parents=True)
    monkeypatch.setattr(setup_env, 'VENV', tmp_path)
    monkeypatch.setattr(setup_env, 'PYTHON', sys.executable)
    setup_env.link_sources()
    inputs = ['first.mp4', 'second.mp4']
    command = [tmp_path / 'bin' / 'track_file', *inputs, '-o', 'out', '--jobs', '2', '--backend', 'onnxruntime']
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 1
    assert all(f'{name} does not exist' in ended.stderr for name in inputs)
    assert 'Traceback' not in ended.stderr and 'died' not in ended.stderr
