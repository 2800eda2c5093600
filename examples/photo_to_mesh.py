"""A photo of a hand → its mesh as a file that Blender, MeshLab or a browser opens.

    python examples/photo_to_mesh.py                                  # a rendered hand → hand.glb
    python examples/photo_to_mesh.py photo.jpg --side left -o hand.obj

The mesh is in metres, in the camera's frame (x right, y down, z forward); in a .glb upright, as that format wants it.
"""

import argparse
import sys
from pathlib import Path

from minimal_hand_core.data.stream import pictures
from minimal_hand_core.robots.hand_pieces import Mesh
from minimal_hand_core.robots.mesh_files import MESH_FORMATS, write_seen_mesh
from minimal_hand_core.tracking import HandTracker, HandTrackerConfig

LOOKS = 10  # the tracker tries other windows at every look until it finds the hand


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='A photo of a hand → its mesh.')
    parser.add_argument(
        'photo', nargs='?', default='rendered', help="picture file; default: 'rendered', a made-up hand"
    )
    parser.add_argument('--side', default='right', choices=('right', 'left'))
    parser.add_argument('-o', '--output', type=Path, default=Path('hand.glb'), help=f'ends with {MESH_FORMATS}')
    options = parser.parse_args(arguments)

    tracker = HandTracker(HandTrackerConfig(side=options.side))
    photo = next(pictures(options.photo, 1, side=options.side))
    for look in range(LOOKS):
        hand = tracker.track(photo.image, look / 30, photo.camera)
        if hand is not None:
            break
    else:
        raise ValueError(f'{photo.name}: no {options.side} hand found, score {tracker.score:.2f}')

    # the same vertices that the ROS node shows in RViz; the faces never change
    write_seen_mesh(options.output, Mesh(tracker.mesh(hand), tracker.pose.model.faces.numpy()))
    print(f'{options.output}: {options.side} hand, {100 * hand.wrist_position[2]:.0f} cm away, score {hand.score:.2f}')


if __name__ == '__main__':
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f'error: {error}')
