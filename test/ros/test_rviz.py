"""config/tracker.rviz: displays that RViz has, on topics that the nodes publish, with types and delivery that fit.

RViz itself cannot be run here; the nodes are, and what they publish is compared with what the file asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from rclpy.node import Node  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSCompatibility, QoSProfile, ReliabilityPolicy, qos_check_compatible  # noqa: E402

from minimal_hand_ros import settings  # noqa: E402
from minimal_hand_ros.camera_node import CameraNode  # noqa: E402
from minimal_hand_ros.tracker_node import TrackerNode  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]

# Class → type of the topic it shows, for those that show one. All are in RViz of Humble, Jazzy and Kilted.
DISPLAYS = {
    'rviz_default_plugins/Axes': None,
    'rviz_default_plugins/Camera': 'sensor_msgs/msg/Image',
    'rviz_default_plugins/Image': 'sensor_msgs/msg/Image',
    'rviz_default_plugins/MarkerArray': 'visualization_msgs/msg/MarkerArray',
    'rviz_default_plugins/TF': None,
}
TOOLS = {'MoveCamera', 'Select', 'FocusCamera', 'Measure'}
PANELS = {'Displays', 'Views', 'Time'}


@pytest.fixture(scope='module')
def manager() -> dict:
    return content()['Visualization Manager']


def content() -> dict:
    return yaml.safe_load((ROOT / 'config' / 'tracker.rviz').read_text())


@pytest.fixture
def publish() -> Iterator[Callable[[str], list[Node]]]:
    """Camera and tracker for one value of side, configured, so that all their publishers are there."""
    context = rclpy.Context()
    rclpy.init(context=context)
    nodes: list[Node] = []

    def make(side: str) -> list[Node]:
        one = 'right' if side == 'both' else side
        for kind, values in ((CameraNode, {'side': one}), (TrackerNode, {'side': side, 'backend': 'torch'})):
            overrides = [rclpy.Parameter(name, value=value) for name, value in values.items()]
            nodes.append(kind(context=context, parameter_overrides=overrides))
            nodes[-1].trigger_configure()
        return nodes

    yield make
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown(context=context)


def published(nodes: list[Node]) -> dict[str, list]:
    """Topic → publishers, as rclpy describes them."""
    ours = {node.get_name() for node in nodes}
    found = {}
    for topic, _ in nodes[0].get_topic_names_and_types():
        infos = [info for info in nodes[0].get_publishers_info_by_topic(topic) if info.node_name in ours]
        if infos:
            found[topic.lstrip('/')] = infos
    return found


def shown(manager: dict) -> dict[str, dict]:
    """Topic → the display that shows it."""
    return {display['Topic']['Value']: display for display in manager['Displays'] if 'Topic' in display}


def test_the_file_holds_what_rviz_has(manager: dict) -> None:
    assert {panel['Class'] for panel in content()['Panels']} <= {f'rviz_common/{name}' for name in PANELS}
    assert {tool['Class'] for tool in manager['Tools']} <= {f'rviz_default_plugins/{name}' for name in TOOLS}
    assert manager['Views']['Current']['Class'] == 'rviz_default_plugins/Orbit'
    names = [display['Name'] for display in manager['Displays']]
    assert len(set(names)) == len(names)
    for display in manager['Displays']:
        assert ('Topic' in display) == bool(DISPLAYS[display['Class']]), display['Name']
        assert display['Enabled'] is display['Value'], f'{display["Name"]}: the tick and the state differ'


def test_picture_mesh_skeleton_and_frames_are_shown_without_a_click(manager: dict) -> None:
    assert manager['Global Options']['Fixed Frame'] == settings.DEFAULT_FRAME
    enabled = {topic for topic, display in shown(manager).items() if display['Enabled']}
    assert {'hand/debug_image', 'hand/markers', 'right_hand/markers', 'left_hand/markers'} <= enabled
    frames = next(display for display in manager['Displays'] if display['Class'].endswith('/TF'))
    assert frames['Enabled'] and frames['Frames']['All Enabled']


@pytest.mark.parametrize('side', ['left', 'both'])
def test_every_display_has_a_publisher_that_it_fits(manager: dict, publish: Callable, side: str) -> None:
    topics = published(publish(side))
    displays = shown(manager)
    missing = {'hand/markers'} if side == 'both' else {'right_hand/markers', 'left_hand/markers'}
    assert set(displays) - set(topics) == missing
    for topic in set(displays) - missing:
        wanted = displays[topic]['Topic']
        asked = QoSProfile(
            depth=wanted['Depth'],
            reliability=ReliabilityPolicy[wanted['Reliability Policy'].upper().replace(' ', '_')],
            durability=DurabilityPolicy[wanted['Durability Policy'].upper().replace(' ', '_')],
        )
        (offered,) = topics[topic]
        assert offered.topic_type == DISPLAYS[displays[topic]['Class']], topic
        assert qos_check_compatible(offered.qos_profile, asked)[0] != QoSCompatibility.ERROR, topic
    # the Camera display takes the intrinsics beside the pictures
    assert topics['camera_info'][0].topic_type == 'sensor_msgs/msg/CameraInfo'
    assert 'tf' in topics
