"""What an error says, within one line."""

import pytest

from minimal_hand_core.errors import first_line, one_line


@pytest.mark.parametrize(
    ('said', 'first', 'whole'),
    [
        ('No space left.', 'No space left', 'No space left.'),
        ('\n  in line 3:\n    found: x\n', 'in line 3:', 'in line 3: found: x'),
        ('', 'RuntimeError', 'RuntimeError'),
        (' \n', 'RuntimeError', 'RuntimeError'),
    ],
)
def test_an_error_becomes_part_of_a_line(said, first, whole):
    assert first_line(RuntimeError(said)) == first
    assert one_line(RuntimeError(said)) == whole


def test_a_reason_in_words_stays_itself():
    assert one_line('too\n few') == 'too few'
