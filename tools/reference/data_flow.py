"""Draws docs/images/data_flow.svg: from picture to hand, by nodes and topics."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 1060, 470
_INK, _SOFT, _LINE = '#1f2933', '#52606d', '#7b8794'
_FILL = {'node': '#e3f0f8', 'thing': '#f1f3f5', 'result': '#e8f5e9', 'way': '#fff6e0'}
_STYLE = f"""
  text {{ font-family: 'DejaVu Sans', Verdana, sans-serif; font-size: 13px; fill: {_INK}; }}
  .name {{ font-weight: bold; }}
  .topic {{ font-family: 'DejaVu Sans Mono', monospace; font-size: 12px; }}
  .small {{ font-size: 11px; fill: {_SOFT}; font-style: italic; }}
  .line {{ stroke: {_LINE}; stroke-width: 1.8; fill: none; marker-end: url(#tip); }}
  .maybe {{ stroke-dasharray: 5 4; }}
"""


def data_flow() -> str:
    """The picture as SVG text."""
    parts = [
        _box(205, 38, 585, 312, 'none', dashed=True),
        _text(222, 60, 'tracker: the same three stages in one process', 'small'),
        _box(
            12,
            175,
            128,
            112,
            'thing',
            'camera_node',
            ['webcam, video,', 'folder, or a', 'rendered hand'],
            'or your own driver',
        ),
        _box(
            240,
            165,
            192,
            132,
            'node',
            'keypoint_node',
            ['crop where the hand was,', 'or search the picture;', 'network; decode:', '21 keypoints, 2D and 3D'],
            'tracking, detnet, inference',
        ),
        _box(
            555,
            62,
            210,
            94,
            'node',
            'shape_server',
            ['bone ratios → 10 betas;', 'service calibrate'],
            'shape',
        ),
        _box(
            555,
            205,
            210,
            132,
            'node',
            'ik_node',
            ['analytic IK: 16 rotations,', 'hand laid on the pixels:', 'wrist in metres, covariance;', 'filters'],
            'pose, tracking',
        ),
        _arrow([(140, 231), (240, 231)]),
        _text(190, 223, 'image_raw', 'topic', 'middle'),
        _text(190, 248, 'camera_info', 'topic', 'middle'),
        _arrow([(432, 250), (555, 250)]),
        _text(492, 268, 'hand/keypoints', 'topic', 'middle'),
        _arrow([(492, 250), (492, 110), (555, 110)]),
        _arrow([(660, 156), (660, 205)]),
        _text(668, 185, 'hand/shape', 'topic'),
        _arrow([(336, 108), (336, 165)], maybe=True),
        _text(344, 128, 'hand/roi', 'topic'),
        _arrow([(492, 312), (555, 312)], maybe=True),
        _arrow([(516, 312), (516, 134), (555, 134)], maybe=True),
        _text(486, 316, 'depth/image_raw', 'topic', 'end'),
        _box(240, 398, 192, 52, 'way', 'network', ['default, or your weights']),
        _arrow([(336, 398), (336, 297)]),
        _box(555, 398, 210, 52, 'way', 'hand model', ['open hand, or your MANO file']),
        _arrow([(660, 398), (660, 337)]),
        _arrow([(765, 424), (778, 424), (778, 110), (765, 110)]),
        _arrow([(765, 271), (832, 271)]),
        _box(832, 165, 216, 212, 'result', 'published', []),
    ]
    for i, (topic, what) in enumerate(_RESULTS):
        parts += [_text(846, 208 + 36 * i, topic, 'topic'), _text(846, 223 + 36 * i, what, 'small')]
    parts += [
        _arrow([(940, 377), (940, 406)]),
        _text(940, 424, 'RViz, browser, recording,', '', 'middle'),
        _text(940, 442, 'retarget → robot', '', 'middle'),
        _text(832, 60, 'blue: nodes, with the packages of', 'small'),
        _text(832, 76, 'minimal_hand_core behind them', 'small'),
        _text(832, 98, 'dashed arrow: only where you send it', 'small'),
    ]
    tip = f'<path d="M0,0 L8,4 L0,8 z" fill="{_LINE}"/>'
    return '\n'.join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
            '<title>From picture to hand</title>',
            f'<style>{_STYLE}</style>',
            f'<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto" '
            f'markerUnits="userSpaceOnUse">{tip}</marker></defs>',
            f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#ffffff"/>',
            *parts,
            '</svg>\n',
        ]
    )


_RESULTS = (
    ('/tf', '21 frames, camera → wrist → …'),
    ('hand/pose', 'all of it in one message'),
    ('hand/wrist', 'metres, with covariance'),
    ('hand/joint_states', '20 anatomical angles'),
    ('hand/markers', 'mesh and skeleton'),
)


def topics() -> set[str]:
    """Every topic that the picture names."""
    return {name for name, _ in _RESULTS} | {
        'image_raw', 'camera_info', 'hand/keypoints', 'hand/shape', 'hand/roi', 'depth/image_raw'
    }  # fmt: skip


def _box(
    x: int,
    y: int,
    width: int,
    height: int,
    kind: str,
    name: str = '',
    lines: Sequence[str] = (),
    small: str = '',
    *,
    dashed: bool = False,
) -> str:
    dash = ' stroke-dasharray="6 5"' if dashed else ''
    fill = _FILL.get(kind, 'none')
    parts = [
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="{fill}" stroke="{_LINE}"{dash}/>',
        _text(x + 14, y + 22, name, 'name') if name else '',
        *(_text(x + 14, y + 42 + 18 * i, line) for i, line in enumerate(lines)),
        _text(x + 14, y + height - 10, small, 'small') if small else '',
    ]
    return '\n'.join(filter(None, parts))


def _text(x: int, y: int, text: str, kind: str = '', anchor: str = 'start') -> str:
    shape = f' class="{kind}"' if kind else ''
    place = f' text-anchor="{anchor}"' if anchor != 'start' else ''
    return f'<text x="{x}" y="{y}"{shape}{place}>{escape(text)}</text>'


def _arrow(points: Sequence[tuple[int, int]], *, maybe: bool = False) -> str:
    path = ' L'.join(f'{x},{y}' for x, y in points)
    return f'<path d="M{path}" class="line{" maybe" if maybe else ""}"/>'
