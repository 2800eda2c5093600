"""How a command ends."""

import pytest

from minimal_hand_core.exit_status import exit_status


def fails_with(error: BaseException):
    def work() -> None:
        raise error

    return work


def test_nothing_is_said_of_success(capsys):
    assert exit_status('name', lambda: None) == 0
    assert capsys.readouterr() == ('', '')


@pytest.mark.parametrize('error', [ValueError('no such thing'), OSError('no such thing')])
def test_an_error_is_one_line(capsys, error):
    assert exit_status('name', fails_with(error)) == 1
    assert capsys.readouterr().err == 'name: no such thing\n'


def test_an_interruption_says_where_the_command_goes_on(capsys):
    assert exit_status('name', fails_with(KeyboardInterrupt()), goes_on='from a/run') == 130
    assert capsys.readouterr().err == 'name: interrupted; the same command goes on from a/run\n'
    assert exit_status('name', fails_with(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == 'name: interrupted\n'


def test_a_mistake_of_ours_keeps_its_traceback():
    with pytest.raises(KeyError):
        exit_status('name', fails_with(KeyError('x')))
