"""Recordings of ROS 2 messages, written and read without ROS: MCAP files and bags."""

from minimal_hand_core.recording.definitions import definition, is_known_as, type_hash
from minimal_hand_core.recording.encoding import encode
from minimal_hand_core.recording.error import DamagedRecordingError, RecordingError, RecordingExistsError
from minimal_hand_core.recording.reader import RecordedMessage, Recording, is_recording, read_messages, recording_files
from minimal_hand_core.recording.stamps import move_stamps
from minimal_hand_core.recording.storage import RawMessage
from minimal_hand_core.recording.topic import Offer, Topic
from minimal_hand_core.recording.writer import RecordingWriter

__all__ = [
    'DamagedRecordingError',
    'Offer',
    'RawMessage',
    'RecordedMessage',
    'Recording',
    'RecordingError',
    'RecordingExistsError',
    'RecordingWriter',
    'Topic',
    'definition',
    'encode',
    'is_known_as',
    'is_recording',
    'move_stamps',
    'read_messages',
    'recording_files',
    'type_hash',
]
