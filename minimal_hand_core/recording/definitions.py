"""The definitions of ROS 2 messages, and messages ↔ bytes, without a ROS installation.

Those of the standard packages come with the library rosbags, those of this package from its msg/ folder. A recording
carries the definitions of all its types, in the form that rosbag2 writes: the text of the type, and behind a line of
80 '=' and one 'MSG: package/Type' each the text of every type it uses.
"""

from __future__ import annotations

import os
import sys
from functools import cache, lru_cache
from pathlib import Path

from rosbags.serde import SerdeError
from rosbags.typesys import Stores, TypesysError, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from minimal_hand_core.recording.error import RecordingError

PACKAGE = 'minimal_hand_ros'
MESSAGES = ('HandKeypoints', 'HandPose', 'HandShape')
"""Types of this package."""
ROS2MSG, ROS2IDL = 'ros2msg', 'ros2idl'
"""Languages that definitions are written in."""


@cache
def type_store() -> Typestore:
    """The standard types of ROS 2 and those of this package.

    The standard types that are recorded here have been the same since Humble.

    Raises:
        RecordingError: the definitions of this package are not installed.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    types = {}
    for name in MESSAGES:
        types.update(get_types_from_msg(_own_definition(name), f'{PACKAGE}/msg/{name}'))
    store.register(types)
    return store


def _own_definition(name: str) -> str:
    """Text of msg/NAME.msg: from the source tree, a ROS workspace or a pip environment."""
    prefixes = [*filter(None, os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)), sys.prefix]
    folders = [Path(__file__).resolve().parents[2], *(Path(prefix) / 'share' / PACKAGE for prefix in prefixes)]
    for folder in folders:
        path = folder / 'msg' / f'{name}.msg'
        if path.is_file():
            return path.read_text(encoding='utf-8')
    raise RecordingError(f'msg/{name}.msg of {PACKAGE} is missing; install the package again')


@cache
def definition(type_name: str) -> str:
    """The whole definition of a type such as 'sensor_msgs/msg/Image', with the types it uses.

    Raises:
        RecordingError: no such type.
    """
    try:
        return type_store().generate_msgdef(type_name, ros_version=2)[0]
    except TypesysError:
        raise RecordingError(
            f"message type {type_name!r} is not known: give one of {PACKAGE} or of ROS 2's standard packages, "
            "such as 'sensor_msgs/msg/Image'"
        ) from None


@cache
def type_hash(type_name: str) -> str:
    """The hash of a type by which ROS 2 tells definitions apart (REP 2011), 'RIHS01_…'."""
    definition(type_name)
    return type_store().hash_rihs01(type_name)


@lru_cache(maxsize=64)
def store_for(type_name: str, text: str, language: str) -> Typestore:
    """What decodes a type by the definition that a recording carries.

    Args:
        type_name: such as 'sensor_msgs/msg/Image'.
        text: its whole definition; empty where the recording has none, and the one known here is taken.
        language: ROS2MSG or ROS2IDL.

    Raises:
        RecordingError: a definition that cannot be read, or a type that is not known.
    """
    if not text:
        definition(type_name)
        return type_store()
    store = get_typestore(Stores.EMPTY)
    try:
        read = get_types_from_idl(text) if language == ROS2IDL else get_types_from_msg(text, type_name)
        store.register(read)
        store.get_msgdef(type_name)
    except (TypesysError, KeyError) as error:
        raise RecordingError(f'definition of message type {type_name!r} cannot be read: {error}') from None
    return store


def is_known_as(type_name: str, text: str, language: str = ROS2MSG) -> bool:
    """Whether a definition in a recording says the same as the one known here; true where either is missing.

    Raises:
        RecordingError: a definition that cannot be read.
    """
    if not text or type_name not in type_store().fielddefs:
        return True
    return store_for(type_name, text, language).hash_rihs01(type_name) == type_hash(type_name)


def decode(type_name: str, data: bytes, text: str = '', language: str = ROS2MSG) -> object:
    """A message from its CDR bytes, its fields as attributes: lists of numbers as NumPy arrays, others as lists.

    Args:
        type_name, text, language: as in store_for.
        data: with the four bytes of the encapsulation in front.

    Raises:
        RecordingError: bytes that are no such message, or a definition that cannot be read.
    """
    try:
        return store_for(type_name, text, language).deserialize_cdr(data, type_name)
    except (SerdeError, IndexError, AssertionError) as error:
        raise RecordingError(f'{len(data)} bytes are no message of type {type_name!r}: {error}') from None
