"""The documentation builds without a warning, fetches nothing, links to what is there and says what the code has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip('mkdocs', reason='mkdocs is not installed')
pytest.importorskip('rclpy', reason='rclpy is not installed')

from tools.reference import __main__ as reference  # noqa: E402
from tools.reference import node_heads  # noqa: E402
from tools.reference.commands import read_command  # noqa: E402
from tools.reference.data_flow import data_flow, topics  # noqa: E402
from tools.reference.interface_files import read_interface  # noqa: E402
from tools.reference.markdown import anchor, prose, table  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / 'docs'
PAGES = [ROOT / 'README.md', *sorted(DOCS.rglob('*.md')), *sorted((ROOT / 'minimal_hand_core' / 'assets').glob('*.md'))]
_LINK = re.compile(r'\]\(([^)\s]+)\)')
_LARGEST_PICTURE = 300_000
WIDEST = 140


class _Loaded(HTMLParser):
    """What a browser fetches of its own accord."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if 'src' in given:
            self.places.append(given['src'] or '')
        if tag == 'link' and given.get('rel') in ('stylesheet', 'preconnect', 'preload', 'icon'):
            self.places.append(given.get('href') or '')


def run(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, '-m', *arguments],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(environment or {})},
    )


@pytest.fixture(scope='module')
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; every way out of this machine leads nowhere."""
    folder = tmp_path_factory.mktemp('site')
    nowhere = {f'{kind}_proxy': 'http://127.0.0.1:9' for kind in ('http', 'https', 'all')}
    built = run(
        'mkdocs', 'build', '--strict', '--site-dir', str(folder), environment={'NO_MKDOCS_2_WARNING': '1', **nowhere}
    )
    assert built.returncode == 0 and 'WARNING' not in built.stdout, built.stdout
    return folder


def test_site_builds_without_a_warning(site: Path) -> None:
    for page in ('index', 'first_five_minutes', 'troubleshooting', 'reference/nodes', 'cards/OPEN_HAND'):
        assert (site / f'{page}.html').is_file()


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    for path in site.rglob('*.html'):
        loaded = _Loaded()
        loaded.feed(path.read_text())
        assert not [place for place in loaded.places if '//' in place], path
    for path in site.rglob('*.css'):
        assert not re.search(r'(url|@import)[\s(\'"]*(https?:)?//', path.read_text()), path


def test_a_broken_link_is_an_error(tmp_path: Path) -> None:
    (tmp_path / 'docs').mkdir()
    (tmp_path / 'docs' / 'index.md').write_text('# A\n\n[b](b.md), [c](#nowhere)\n')
    config = (ROOT / 'mkdocs.yml').read_text()
    config = config[: config.index('nav:')].replace('tools/', f'{ROOT}/tools/')
    (tmp_path / 'mkdocs.yml').write_text(config)
    built = run('mkdocs', 'build', '--config-file', str(tmp_path / 'mkdocs.yml'))
    assert built.returncode != 0
    assert "'b.md'" in built.stdout and "'#nowhere'" in built.stdout


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    for target in _LINK.findall(page.read_text()):
        place = target.partition('#')[0]
        if place and '://' not in place:
            assert (page.parent / place).exists(), f'{page.name} links to {target}'


def test_readme_links_to_every_page() -> None:
    text = (ROOT / 'README.md').read_text()
    missing = [page.name for page in DOCS.glob('*.md') if page.stem != 'index' and f'docs/{page.name}' not in text]
    assert not missing


def test_pages_keep_to_their_width() -> None:
    for page in PAGES:
        if page.parent.name == 'reference':
            continue
        # tables and code cannot be wrapped
        text = re.sub(r'```.*?```', lambda code: '\n' * code[0].count('\n'), page.read_text(), flags=re.DOTALL)
        lines = enumerate(text.splitlines(), 1)
        wide = [n for n, line in lines if len(line) > WIDEST and not line.startswith(('|', '!', '    '))]
        assert not wide, f'{page.name}, lines {wide}: wrap them'


def test_pictures_are_small_and_used() -> None:
    texts = ''.join(page.read_text() for page in PAGES)
    for path in (DOCS / 'images').iterdir():
        assert path.stat().st_size < _LARGEST_PICTURE, path.name
        assert path.suffix == '.css' or path.name in texts, f'{path.name} is on no page'


def test_reference_is_what_the_code_says(capsys: pytest.CaptureFixture[str]) -> None:
    status = reference.main(['--check'])
    assert status == 0, capsys.readouterr().out


def test_stale_reference_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reference, 'ROOT', tmp_path)
    monkeypatch.setattr(reference, 'make_pages', lambda: {'docs/reference/nodes.md': 'new\n'})
    page = tmp_path / 'docs' / 'reference' / 'nodes.md'
    page.parent.mkdir(parents=True)
    page.write_text('old\n')
    page.with_name('gone.md').write_text('')
    assert reference.main(['--check']) == 1
    said = capsys.readouterr().out
    assert 'nodes.md is stale' in said and '-old' in said and 'gone.md is made by nothing' in said
    assert page.read_text() == 'old\n'
    page.with_name('gone.md').unlink()
    assert reference.main([]) == 0 and page.read_text() == 'new\n'
    assert reference.main(['--check']) == 0


def test_data_flow_names_topics_that_exist() -> None:
    known = (DOCS / 'reference' / 'nodes.md').read_text()
    picture = data_flow()
    for name in topics():
        assert f'`{name}`' in known, name
        assert f'>{name}<' in picture, name


HEAD = """node: in, out.

Publishes:
    hand/pose     minimal_hand_ros/HandPose  one per picture,
                  and more of it
    ~/state       std_msgs/String (latched)  why

Services:
    reset         std_srvs/Trigger  forget

Nothing else.
    not a table
"""


def test_head_of_a_node_is_read() -> None:
    head = node_heads.read_head(HEAD)
    assert head['Publishes'] == {
        'hand/pose': ('minimal_hand_ros/HandPose', 'one per picture, and more of it'),
        '~/state': ('std_msgs/String', 'why'),
    }
    assert head['Services'] == {'reset': ('std_srvs/Trigger', 'forget')}
    assert head['Subscribes'] == {}


@pytest.mark.parametrize(
    ('found', 'said'),
    [
        ({'reset': 'std_srvs/Trigger', 'enable': 'std_srvs/SetBool'}, 'enable .* is missing'),
        ({}, 'reset is not there'),
        ({'reset': 'std_srvs/SetBool'}, 'reset is std_srvs/SetBool, not std_srvs/Trigger'),
    ],
)
def test_head_that_differs_from_its_node_is_an_error(found: dict[str, str], said: str) -> None:
    head = node_heads.read_head(HEAD)
    with pytest.raises(node_heads.HeadError, match=said):
        node_heads.check('node', 'Services', head['Services'], found)


def test_head_without_description_is_an_error() -> None:
    head = node_heads.read_head('node: x.\n\nServices:\n    reset  std_srvs/Trigger\n')
    with pytest.raises(node_heads.HeadError, match='no description'):
        node_heads.check('node', 'Services', head['Services'], {'reset': 'std_srvs/Trigger'})


def test_message_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / 'Hand.msg'
    path.write_text('# A hand.\n#\n# More.\n\n# Which one:\n# right or left.\nstring side\n\n# Two.\nfloat32[2] xy\n')
    file = read_interface(path)
    assert (file.name, file.text) == ('Hand', 'A hand.\n\nMore.')
    assert file.parts == [[('side', 'string', '', 'Which one: right or left.'), ('xy', 'float32[2]', '', 'Two.')]]


def test_field_without_comment_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / 'Hand.msg'
    path.write_text('# A hand.\n\nstring side\n')
    with pytest.raises(ValueError, match='Hand.msg, line 3: side has no comment'):
        read_interface(path)


def test_command_is_read_from_its_parser() -> None:
    command = read_command('make_urdf', 'minimal_hand_core.robots.make_urdf')
    options = {option.flags: option for option in command.options}
    assert command.usage == 'make_urdf [options] output'
    assert options['--side'].values == '{right,left,both}' and options['--side'].default == 'right'
    assert all(option.text for option in command.options)


def test_markdown_is_escaped() -> None:
    assert prose('a_b *c* `d_*` [e] _f') == 'a_b \\*c\\* `d_*` \\[e\\] \\_f'
    assert table(['a'], [['b | c\nd']]) == '| a |\n| --- |\n| b \\| c d |\n'
    assert anchor('The `20` joints: which?') == 'the-20-joints-which'
