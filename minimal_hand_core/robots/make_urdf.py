"""`make_urdf`: write the hand as a URDF with its meshes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from minimal_hand_core.hand import load_hand_model
from minimal_hand_core.hand.skeleton import JOINT_NAMES, NUM_BETAS, SIDES
from minimal_hand_core.robots.hand_pieces import cut, rest_hand
from minimal_hand_core.robots.hand_urdf import hand_urdf
from minimal_hand_core.robots.mesh_files import MESH_FORMATS, write_mesh

_EPILOG = """
examples:
  make_urdf my_hand                              right_hand.urdf and meshes/right/*.obj of the open hand
  make_urdf my_hand --side both --hand-length 0.097
  make_urdf my_hand --model MANO_RIGHT.pkl --betas 0.5 -1 0 0 0 0 0 0 0 0

RViz and most other programs find the meshes by their absolute file:// address; give --mesh-prefix to have them
sought elsewhere, such as package://my_robot/urdf, or . for paths relative to the URDF.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code (0 done, 2 unusable arguments)."""
    options = _parser().parse_args(arguments)
    try:
        for side in SIDES if options.side == 'both' else (options.side,):
            print(_write(options, side))
    except (ValueError, OSError) as error:
        print(f'make_urdf: {error}', file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='make_urdf',
        description='Write a hand as a URDF: 20 joints with limits, a mesh for every bone.',
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('output', type=Path, help='folder to write to; files of the same names are replaced')
    parser.add_argument('--side', choices=(*SIDES, 'both'), default='right', help='default: %(default)s')
    parser.add_argument('--model', default='open', help="'open', a .npz or a MANO .pkl (default: %(default)s)")
    parser.add_argument('--betas', type=float, nargs=NUM_BETAS, metavar='B', help='shape (default: the mean)')
    parser.add_argument('--hand-length', type=float, help='metres, wrist to base of the middle finger')
    parser.add_argument('--mesh-format', choices=MESH_FORMATS, default='obj', help='default: %(default)s')
    parser.add_argument('--mesh-prefix', help='where programs look for meshes/ (default: file://, the output folder)')
    return parser


def _write(options: argparse.Namespace, side: str) -> Path:
    model = load_hand_model(options.model, side)
    hand = rest_hand(model, None if options.betas is None else np.array(options.betas), options.hand_length)
    folder = options.output / 'meshes' / side
    folder.mkdir(parents=True, exist_ok=True)
    prefix = options.mesh_prefix or f'file://{options.output.resolve()}'
    meshes = {}
    for name, piece in zip(JOINT_NAMES, cut(hand)):
        if len(piece.faces):
            file = folder / f'{name}.{options.mesh_format}'
            write_mesh(file, piece)
            meshes[name] = f'{prefix.rstrip("/")}/{file.relative_to(options.output).as_posix()}'
    path: Path = options.output / f'{side}_hand.urdf'
    path.write_text(hand_urdf(hand, meshes.get))
    return path


if __name__ == '__main__':
    sys.exit(main())
