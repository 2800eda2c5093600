"""Start a camera and the hand tracker.

    ros2 launch minimal_hand_ros tracker.launch.py source:=0 rviz:=true

All are lifecycle nodes; they start by themselves unless autostart:=false.

Either four nodes (camera_node, keypoint_node, shape_server, ik_node) or, with composed:=true, camera_node and `tracker`
with all stages in one process. Pictures of another driver, or of a bag, are named instead of a source:

    ros2 launch minimal_hand_ros tracker.launch.py image_topic:=/camera/color/image_raw rviz:=true

then no camera_node is started. Without both (source:='') pictures are awaited on image_raw.

A parameter whose argument is left empty has the parameter file's value, or the node's own default.
"""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

import yaml
from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.logging import get_logger
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchDescription
from minimal_hand_ros.large_pictures import large_pictures

PACKAGE = 'minimal_hand_ros'

# name, default, description
ARGUMENTS = (
    (
        'source',
        'rendered',
        "'rendered', a webcam's index, a picture, a folder of pictures, a video or a recording; '' = no camera_node",
    ),
    ('image_topic', '', 'pictures of another driver, instead of a source; no camera_node is started'),
    ('camera_info_topic', '', 'their intrinsics; empty = camera_info beside image_topic'),
    ('depth_topic', 'depth/image_raw', 'depth pictures for depth:=registered'),
    ('depth', '', "'registered' = take the range from depth_topic, which is registered to the pictures; 'off'"),
    ('side', 'right', "'right', 'left', or 'both': two hands, with topics right_hand/… and left_hand/…"),
    ('mirrored', '', "'true' = pictures are flipped left to right, as those of many selfie cameras"),
    ('model', '', "hand model: 'open' or the path of a .npz or MANO .pkl"),
    ('weights', '', "network: 'default' or the path of a checkpoint"),
    ('backend', '', "inference engine: 'auto' or its name"),
    ('transport', '', "'raw' or 'compressed' pictures; 'auto' = compressed where nothing else is sent"),
    ('reliability', '', "of the picture subscription: 'reliable', 'best_effort', or 'auto', as the publishers offer"),
    ('rectified', '', "'true' = pictures are rectified, as those of image_rect: of camera_info p counts, not k and d"),
    ('hand_length', '', "metres from the wrist to the middle finger's base; 0 = that of the hand model"),
    ('shape_method', '', "how the shape is found from bone lengths: 'lm', 'pso' or 'network'"),
    ('shape_weights', '', "of shape_method:=network: 'default' (open hand) or the path of a file of train_shape"),
    ('pose_method', '', "how rotations are found from keypoints: 'aik' or 'iknet'"),
    ('pose_weights', '', "of pose_method:=iknet: 'default' or the path of a file of train_iknet"),
    ('camera_info', '', 'calibration file of the camera, as ROS camera_calibration writes it'),
    (
        'camera_frame',
        '',
        "TF frame of the pictures, of the hand and of RViz; empty = the pictures' own, camera_optical_frame in RViz",
    ),
    ('config', '', 'parameter file; empty = the one that comes with the package'),
    ('composed', 'false', 'all stages in one process'),
    ('use_sim_time', '', "'true' = take the time from /clock, as for ros2 bag play --clock"),
    ('retarget', '', 'retargeting file of a robot to drive, see config/retarget/; empty = none'),
    ('autostart', '', "'true' = configure and activate the nodes, as they do by default; 'false' = wait for a manager"),
    ('rviz', 'false', 'show picture, TF and markers in RViz'),
    ('viewer', 'false', 'show the hand in a web browser; the log says at which address'),
    (
        'record',
        '',
        'file.mcap to record pictures and all outputs to, or a folder for one named by the time; empty = none',
    ),
)

# executable: the launch arguments that are its parameters
CAMERA = {'camera_node': ('source', 'side', 'model', 'camera_info')}
SEPARATE = {
    'keypoint_node': ('side', 'mirrored', 'weights', 'backend', 'transport', 'reliability', 'rectified'),
    'shape_server': ('side', 'mirrored', 'model', 'depth', 'hand_length', 'shape_method', 'shape_weights'),
    'ik_node': ('side', 'mirrored', 'model', 'depth', 'pose_method', 'pose_weights', 'camera_frame'),
}
COMPOSED = {
    'tracker': (
        'side',
        'mirrored',
        'model',
        'weights',
        'backend',
        'transport',
        'reliability',
        'rectified',
        'depth',
        'hand_length',
        'shape_method',
        'shape_weights',
        'pose_method',
        'pose_weights',
        'camera_frame',
    )
}
# launch arguments whose parameter has another name: those of a group have a dot, which arguments cannot have, and a
# node's own may be called as elsewhere
PARAMETERS = {
    'shape_method': 'shape.method',
    'shape_weights': 'shape.weights',
    'pose_method': 'pose.method',
    'pose_weights': 'pose.weights',
    'retarget': 'config',
}
NUMBERS = ('hand_length',)
FLAGS = ('mirrored', 'rectified', 'autostart', 'use_sim_time')
# what every node is told
COMMON = ('autostart', 'use_sim_time')
# nodes that are for one hand each, and what carries a hand's name when there are two of them
PER_HAND = ('shape_server', 'ik_node')
HAND_TOPICS = ('keypoints', 'shape', 'pose', 'wrist', 'joint_states', 'markers')
SERVICES = ('calibrate', 'reset')


def generate_launch_description() -> LaunchDescription:
    """The arguments, and the nodes once the arguments are known."""
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start_nodes)])


def start_nodes(context) -> list[Node]:
    """The nodes for the arguments of this launch."""
    given = {name: LaunchConfiguration(name).perform(context) for name, _, _ in ARGUMENTS}
    share = Path(get_package_share_directory(PACKAGE))
    defaults = str(share / 'config' / 'tracker.yaml')
    config = given['config'] or defaults
    for warning in strangers(context, defaults):
        get_logger('tracker.launch.py').warning(warning)

    wanted = dict(COMPOSED if is_true(given, 'composed') else SEPARATE)
    if given['source'] and not given['image_topic']:
        wanted = {**CAMERA, **wanted}
    elif given['camera_info']:
        raise ValueError(
            "launch argument 'camera_info' is for a source, which camera_node opens, and there is none: "
            'let the driver publish it beside image_topic'
        )
    nodes = []
    both = given['side'] == 'both'
    if given['retarget']:
        if both:
            raise ValueError("launch argument 'retarget' is for one hand: give side right or left")
        wanted['retarget'] = ('side', 'model', 'hand_length', 'retarget')
    if is_true(given, 'viewer'):
        wanted['viewer'] = ('side', 'model')
    if given['record'] or is_true(given, 'viewer'):  # which has a button for it
        wanted['recorder'] = ('side', 'record')
    for executable, names in wanted.items():
        parameters = {
            PARAMETERS.get(name, name): typed(name, given[name]) for name in (*names, *COMMON) if given[name] != ''
        }
        if both and executable in PER_HAND:
            namespace = context.launch_configurations.get('ros_namespace', '')
            nodes += [
                one_of_both(executable, side, of_file(config, namespace, executable, side), parameters, given)
                for side in ('right', 'left')
            ]
            continue
        environment = {}
        if executable == 'camera_node':
            if both:  # the rendered hand is one
                parameters['side'] = typed('side', 'right')
            if given['camera_frame']:
                parameters['frame_id'] = typed('frame_id', given['camera_frame'])
            # without a larger segment best-effort subscribers lose raw pictures; see the file
            environment = large_pictures(share / 'config' / 'fastdds_large_images.xml')
        nodes.append(
            Node(
                package=PACKAGE,
                executable=executable,
                name=executable,
                parameters=[config, parameters],
                remappings=picture_topics(given),
                additional_env=environment,
                output='screen',
            )
        )
    if is_true(given, 'rviz'):
        # the file, as it may say use_sim_time for all nodes
        clock = {'use_sim_time': typed('use_sim_time', given['use_sim_time'])} if given['use_sim_time'] else {}
        fixed = ['-f', given['camera_frame']] if given['camera_frame'] else []
        nodes.append(
            Node(
                package='rviz2',
                executable='rviz2',
                arguments=['-d', str(share / 'config' / 'tracker.rviz'), *fixed],
                parameters=[config, clock] if clock else [config],
                remappings=picture_topics(given),
            )
        )
    return nodes


def strangers(context, defaults: str) -> list[str]:
    """One warning per name:=value that is none of ours, and that `launch` takes without a word.

    A launch file that includes this one has arguments of its own, which are seen here too: of those that are not on the
    command line only what is meant for our nodes is told.
    """
    ours = [name for name, _, _ in ARGUMENTS]
    renamed = {parameter: argument for argument, parameter in PARAMETERS.items()}
    nodes: dict[str, list[str]] = {}
    for section, parameters in sections_of(read(defaults)):
        for name in dotted(parameters):
            nodes.setdefault(name, []).append(section.rpartition('/')[2])
    typed_in = {text.partition(':=')[0] for text in context.argv}
    warnings = []
    for name in sorted({*context.launch_configurations} - {*ours}):
        close = [renamed[name]] if name in renamed else get_close_matches(name, ours, n=1)
        if name in nodes and name not in renamed:
            hint = f': it is a parameter of {" and ".join(nodes[name])}, give it in the file of config:='
        elif close:
            hint = f'; did you mean {close[0]!r}?'
        elif name in typed_in:
            hint = '; --show-args lists them'
        else:
            continue
        warnings.append(f'launch argument {name!r} is not one of tracker.launch.py and is ignored{hint}')
    return warnings


def picture_topics(given: dict[str, str]) -> list[tuple[str, str]]:
    """Remappings of the topics that come from the camera: its pictures, their intrinsics, its depth."""
    remappings = [('depth/image_raw', given['depth_topic'])]
    pictures = given['image_topic']
    if pictures:
        # where image_transport and every driver have it: beside the pictures
        beside = pictures.rpartition('/')[0] + '/camera_info' if '/' in pictures else 'camera_info'
        remappings += [('image_raw', pictures), ('image_raw/compressed', f'{pictures}/compressed')]
        remappings += [('camera_info', given['camera_info_topic'] or beside)]
    elif given['camera_info_topic']:
        remappings += [('camera_info', given['camera_info_topic'])]
    return [(ours, theirs) for ours, theirs in remappings if ours != theirs]


def one_of_both(executable: str, side: str, section: dict, parameters: dict, given: dict[str, str]) -> Node:
    """A node for one hand of two, called right_ik_node and so on; section is what the parameter file says for it."""
    renamed = [(f'hand/{topic}', f'{side}_hand/{topic}') for topic in HAND_TOPICS]
    renamed += [(service, f'{side}_hand/{service}') for service in SERVICES]
    return Node(
        package=PACKAGE,
        executable=executable,
        name=f'{side}_{executable}',
        parameters=[section, {**parameters, 'side': typed('side', side)}],
        remappings=[*renamed, *picture_topics(given)],
        output='screen',
    )


def of_file(config: str, namespace: str, executable: str, side: str) -> dict:
    """What a parameter file says for a node for one hand of two: what it says for the executable, then for its name.

    ROS itself would look for the name alone, which usually is in no file.
    """
    space = f'/{namespace.strip("/")}'.rstrip('/')
    general: dict = {}
    special: dict = {}
    for section, parameters in sections_of(read(config)):
        if holds_for(section, f'{space}/{executable}'):
            general |= dotted(parameters)
        elif holds_for(section, f'{space}/{side}_{executable}'):
            special |= dotted(parameters)
    return general | special


def read(config: str) -> dict:
    """The content of a parameter file."""
    return yaml.safe_load(Path(config).read_text(encoding='utf-8')) or {}


def sections_of(tree: dict, name: str = '') -> Iterator[tuple[str, dict]]:
    """Name, as /namespace/node, and parameters of each section, in whose name namespaces may be nested."""
    for key, entry in tree.items():
        if key == 'ros__parameters':
            yield name, entry if isinstance(entry, dict) else {}
        elif isinstance(entry, dict):  # or nothing, of which ROS has its own opinion
            yield from sections_of(entry, f'{name}/{str(key).strip("/")}')


def holds_for(section: str, node: str) -> bool:
    """Whether a section is for a node, by the rules of ROS: * is one part of a name, ** any number of them."""
    pattern = re.escape(section).replace(r'/\*', r'(/\w+)').replace(r'\*', '*')
    return re.fullmatch(pattern, node) is not None


def dotted(tree: dict, prefix: str = '') -> dict[str, object]:
    """Parameters by their names, of which groups are nested in a file."""
    flat: dict[str, object] = {}
    for name, value in tree.items():
        flat |= dotted(value, f'{prefix}{name}.') if isinstance(value, dict) else {f'{prefix}{name}': value}
    return flat


def typed(name: str, value: str) -> ParameterValue | float:
    """Texts stay texts: a webcam's index or a path of digits must not become a number on its way."""
    if name in FLAGS:
        return ParameterValue(is_true({name: value}, name), value_type=bool)
    if name not in NUMBERS:
        return ParameterValue(value, value_type=str)
    try:
        return float(value)
    except ValueError:
        raise ValueError(f'launch argument {name!r} is {value!r}: give a number') from None


def is_true(given: dict[str, str], name: str) -> bool:
    """A launch argument as a truth value; raises ValueError for anything but true and false."""
    value = given[name].lower()
    if value not in ('true', 'false', '1', '0'):
        raise ValueError(f'launch argument {name!r} is {given[name]!r}: give true or false')
    return value in ('true', '1')
