"""A hand drawn over the pictures of a webcam, a video or a folder: skeleton, outline of the mesh, distance.

    python examples/webcam_overlay.py                                 # a rendered hand → overlay.mp4
    python examples/webcam_overlay.py 0 --show                        # the first webcam, in a window; q ends it
    python examples/webcam_overlay.py clip.mp4 --pictures 0 -o out.mp4

Works without a display: only --show needs one, and opencv-python in place of opencv-python-headless.
"""

import argparse
import os
import sys

import cv2

from minimal_hand_core.data.stream import pictures
from minimal_hand_core.drawing import draw_outline, draw_skeleton, draw_text, fitted
from minimal_hand_core.tracking import HandTracker, HandTrackerConfig


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='A hand drawn over pictures.')
    parser.add_argument('source', nargs='?', default='rendered', help='webcam index, video, folder or picture')
    parser.add_argument('--side', default='right', choices=('right', 'left'))
    parser.add_argument('--pictures', type=int, default=90, help='end after so many; 0 = at the end of the source')
    parser.add_argument('--show', action='store_true', help='in a window, too')
    parser.add_argument('-o', '--output', default='overlay.mp4', help='video file')
    options = parser.parse_args(arguments)
    if options.show and not (cv2.currentUIFramework() and {'DISPLAY', 'WAYLAND_DISPLAY'} & {*os.environ}):
        raise ValueError('--show: no display, or opencv-python-headless, which has no windows: leave --show out')

    tracker = HandTracker(HandTrackerConfig(side=options.side))  # BothHandsTracker is for two hands
    faces = tracker.pose.model.faces.numpy()
    video, seen, count = None, 0, 0
    for picture in pictures(options.source, options.pictures, side=options.side):
        canvas = picture.image.copy()
        hand = tracker.track(picture.image, picture.stamp, picture.camera)
        if hand is not None:
            draw_outline(canvas, picture.camera.project(tracker.mesh(hand)), faces)
            draw_skeleton(canvas, hand.uv)
            draw_text(canvas, f'{100 * hand.wrist_position[2]:.0f} cm, {1e3 * tracker.timings["total"]:.0f} ms')
        count, seen = count + 1, seen + (hand is not None)
        if video is None:
            size = canvas.shape[1::-1]
            video = cv2.VideoWriter(options.output, cv2.VideoWriter_fourcc(*'mp4v'), 30, size)
            if not video.isOpened():
                raise ValueError(f'{options.output} cannot be written: give a file that ends with .mp4 in a folder')
        video.write(fitted(canvas, size))  # which drops pictures of another size
        if options.show:
            cv2.imshow('hands', canvas)
            if cv2.waitKey(1) == ord('q'):
                break
    if video is not None:
        video.release()
    print(f'{options.output}: {count} pictures, a hand in {seen}')


if __name__ == '__main__':
    try:
        main()
    except (ValueError, OSError, cv2.error) as error:
        sys.exit(f'error: {error}')
