"""Start a camera and the hand tracker.

    ros2 launch minimal_hand_ros tracker.launch.py source:=0 rviz:=true

Either four nodes (camera_node, keypoint_node, shape_server, ik_node) or, with composed:=true, camera_node and `tracker`
with all stages in one process. Give source:='' when a camera driver of your own publishes image_raw and camera_info.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchDescription

PACKAGE = 'minimal_hand_ros'

# name, default, description
ARGUMENTS = (
    (
        'source',
        'rendered',
        "'rendered', a webcam's index, a picture, a folder of pictures or a video; '' = no camera_node",
    ),
    ('side', 'right', "'right' or 'left'"),
    ('model', 'open', "hand model: 'open' or the path of a .npz or MANO .pkl"),
    ('weights', 'default', "network: 'default' or the path of a checkpoint"),
    ('backend', 'auto', 'inference engine'),
    ('transport', 'raw', "'raw' or 'compressed' pictures"),
    ('hand_length', '0.0', "metres from the wrist to the middle finger's base; 0 = that of the hand model"),
    ('shape_method', 'lm', "how the shape is found from bone lengths: 'lm', 'pso' or 'network'"),
    (
        'shape_weights',
        'default',
        "of shape_method:=network: 'default' (open hand) or the path of a file of train_shape",
    ),
    ('pose_method', 'aik', "how rotations are found from keypoints: 'aik' or 'iknet'"),
    ('pose_weights', 'default', "of pose_method:=iknet: 'default' or the path of a file of train_iknet"),
    ('camera_info', '', 'calibration file of the camera, as ROS camera_calibration writes it'),
    ('camera_frame', 'camera_optical_frame', 'TF frame of the pictures'),
    ('config', '', 'parameter file; empty = the one that comes with the package'),
    ('composed', 'false', 'all stages in one process'),
    ('rviz', 'false', 'show picture, TF and markers in RViz'),
)

# executable: the launch arguments that are its parameters
CAMERA = {'camera_node': ('source', 'side', 'model', 'camera_info')}
SEPARATE = {
    'keypoint_node': ('side', 'weights', 'backend', 'transport'),
    'shape_server': ('side', 'model', 'hand_length', 'shape_method', 'shape_weights'),
    'ik_node': ('side', 'model', 'pose_method', 'pose_weights'),
}
COMPOSED = {
    'tracker': (
        'side',
        'model',
        'weights',
        'backend',
        'transport',
        'hand_length',
        'shape_method',
        'shape_weights',
        'pose_method',
        'pose_weights',
    )
}
# launch arguments whose parameter has another name: those of a group have a dot, which arguments cannot have
PARAMETERS = {
    'shape_method': 'shape.method',
    'shape_weights': 'shape.weights',
    'pose_method': 'pose.method',
    'pose_weights': 'pose.weights',
}
NUMBERS = ('hand_length',)


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
    config = given['config'] or str(share / 'config' / 'tracker.yaml')

    wanted = dict(COMPOSED if is_true(given, 'composed') else SEPARATE)
    if given['source']:
        wanted = {**CAMERA, **wanted}
    nodes = []
    for executable, names in wanted.items():
        parameters = {PARAMETERS.get(name, name): typed(name, given[name]) for name in names}
        environment = {}
        if executable == 'camera_node':
            parameters['frame_id'] = typed('frame_id', given['camera_frame'])
            # without a larger segment best-effort subscribers lose raw pictures; see the file
            environment = {'FASTDDS_DEFAULT_PROFILES_FILE': str(share / 'config' / 'fastdds_large_images.xml')}
        nodes.append(
            Node(
                package=PACKAGE,
                executable=executable,
                name=executable,
                parameters=[config, parameters],
                additional_env=environment,
                output='screen',
            )
        )
    if is_true(given, 'rviz'):
        nodes.append(
            Node(package='rviz2', executable='rviz2', arguments=['-d', str(share / 'config' / 'tracker.rviz')])
        )
    return nodes


def typed(name: str, value: str) -> ParameterValue | float:
    """Texts stay texts: a webcam's index or a path of digits must not become a number on its way."""
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
