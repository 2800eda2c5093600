"""MP4 files of one video track, as OpenCV writes them, put end to end without encoding anything again.

Format: ISO/IEC 14496-12 (ISO base media file format). A file is a row of boxes: four bytes of length, four of name, and
the content, which may be boxes again. The pictures lie in `mdat`; `moov` tells how long each is shown (`stts`), which
can be decoded alone (`stss`), how many bytes it has (`stsz`), and where runs of them begin (`stsc`, `stco`).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from minimal_hand_core.offline.outputs.files import replacing

_TREE = {b'moov', b'trak', b'mdia', b'minf', b'stbl', b'edts'}
_COPY = 1 << 20


class Mp4Error(OSError):
    """A file that is not a whole MP4 of one track of pictures."""


class Track(NamedTuple):
    """The pictures of one file.

    Attributes:
        path: of the file.
        moov: the box, content only.
        runs: (offset in the file, number of pictures, bytes) of the runs of pictures that lie together.
        sizes: bytes of each picture.
        durations: (number of pictures, ticks each) one after the other.
        keys: places of the pictures that can be decoded alone, from 1; empty where all can.
    """

    path: Path
    moov: bytes
    runs: list[tuple[int, int, int]]
    sizes: list[int]
    durations: list[tuple[int, int]]
    keys: list[int]


def read_track(path: Path) -> Track:
    """What an MP4 file says of its pictures.

    Raises:
        Mp4Error: there is no such file, or it is cut off, or not of this kind.
    """
    try:
        with path.open('rb') as file:
            moov = _find_moov(file, path.stat().st_size)
        table = _leaves(moov)
        uniform, count = struct.unpack_from('>II', table[b'stsz'], 4)
        sizes = [uniform] * count if uniform else list(struct.unpack_from(f'>{count}I', table[b'stsz'], 12))
        durations = list(struct.iter_unpack('>II', table[b'stts'][8:]))
        keys = [key for (key,) in struct.iter_unpack('>I', table[b'stss'][8:])] if b'stss' in table else []
        return Track(path, moov, _runs(table, sizes), sizes, durations, keys)
    except (KeyError, IndexError, struct.error, OSError) as error:
        raise Mp4Error(f'{path} is no whole MP4 file: {type(error).__name__} {error}') from None


def join_mp4(parts: Sequence[Path], path: Path) -> None:
    """Write one file that shows the pictures of all, one after the other.

    Args:
        parts: at least one, all of the same encoder with the same settings.
        path: of the result, replaced whole.

    Raises:
        Mp4Error: a part is not a whole MP4 file.
        OSError: the result cannot be written.
    """
    tracks = [read_track(part) for part in parts]
    with replacing(path) as file:
        file.write(_ftyp(parts[0]))
        total = sum(run[2] for track in tracks for run in track.runs)
        file.write(struct.pack('>I4sQ', 1, b'mdat', 16 + total))
        runs = []
        for track in tracks:
            with track.path.open('rb') as source:
                for offset, count, size in track.runs:
                    runs.append((file.tell(), count))
                    source.seek(offset)
                    _copy(source, file, size)
        file.write(_box(b'moov', _rebuilt(tracks[0].moov, _tables(tracks, runs))))


def _ftyp(path: Path) -> bytes:
    with path.open('rb') as file:
        (size,) = struct.unpack('>I', file.read(4))
        file.seek(0)
        return file.read(size)


def _find_moov(file: IO[bytes], end: int) -> bytes:
    at = 0
    while at < end:
        file.seek(at)
        size, name = struct.unpack('>I4s', file.read(8))
        head = 8
        if size == 1:
            (size,) = struct.unpack('>Q', file.read(8))
            head = 16
        if size < head or at + size > end:
            break
        if name == b'moov':
            return file.read(size - head)
        at += size
    raise KeyError('moov')


def _boxes(content: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 0
    while at < len(content):
        size, name = struct.unpack_from('>I4s', content, at)
        if size < 8:
            raise struct.error(f'box {name!r} of {size} bytes')
        found.append((name, content[at + 8 : at + size]))
        at += size
    return found


def _leaves(content: bytes) -> dict[bytes, bytes]:
    """Boxes that hold no boxes, by name; of the first track."""
    found: dict[bytes, bytes] = {}
    for name, inner in _boxes(content):
        found = {**(_leaves(inner) if name in _TREE else {name: inner}), **found}
    return found


def _runs(table: Mapping[bytes, bytes], sizes: list[int]) -> list[tuple[int, int, int]]:
    wide = b'co64' in table
    offsets = [
        offset for (offset,) in struct.iter_unpack('>Q' if wide else '>I', table[b'co64' if wide else b'stco'][8:])
    ]
    steps = list(struct.iter_unpack('>III', table[b'stsc'][8:]))  # first run it holds for (from 1), pictures, …
    runs, picture, step = [], 0, 0
    for number, offset in enumerate(offsets, 1):
        while step + 1 < len(steps) and steps[step + 1][0] <= number:
            step += 1
        count = steps[step][1]
        runs.append((offset, count, sum(sizes[picture : picture + count])))
        picture += count
    if picture != len(sizes):
        raise struct.error(f'{picture} pictures in runs, {len(sizes)} with sizes')
    return runs


def _tables(tracks: Sequence[Track], runs: Sequence[tuple[int, int]]) -> dict[bytes, bytes]:
    """The boxes that tell of all pictures, by name."""
    sizes = [size for track in tracks for size in track.sizes]
    durations: list[tuple[int, int]] = []
    for count, ticks in (entry for track in tracks for entry in track.durations):
        if durations and durations[-1][1] == ticks:
            count += durations.pop()[0]
        durations.append((count, ticks))
    keys, before = [], 0
    for track in tracks:
        keys += [before + key for key in track.keys or range(1, len(track.sizes) + 1)]
        before += len(track.sizes)
    steps = [
        (number, count, 1) for number, (_, count) in enumerate(runs, 1) if number == 1 or runs[number - 2][1] != count
    ]
    return {
        b'stsz': struct.pack(f'>III{len(sizes)}I', 0, 0, len(sizes), *sizes),
        b'stts': _listed('>II', durations),
        b'stss': _listed('>I', [(key,) for key in keys]),
        b'stsc': _listed('>III', steps),
        b'co64': _listed('>Q', [(offset,) for offset, _ in runs]),
    }


def _listed(form: str, entries: Sequence[tuple[int, ...]]) -> bytes:
    return struct.pack('>II', 0, len(entries)) + b''.join(struct.pack(form, *entry) for entry in entries)


def _rebuilt(content: bytes, tables: Mapping[bytes, bytes]) -> bytes:
    """The content of a moov box with other tables, and the durations that follow from them."""
    leaves = _leaves(content)
    media_scale, movie_scale = (struct.unpack_from('>I', leaves[name], 12)[0] for name in (b'mdhd', b'mvhd'))
    ticks = sum(count * each for count, each in struct.iter_unpack('>II', tables[b'stts'][8:]))
    shown = round(ticks * movie_scale / media_scale)
    # all of version 0, as encoders write them up to 13 hours
    places = {b'mvhd': (16, shown), b'tkhd': (20, shown), b'mdhd': (16, ticks), b'elst': (8, shown)}

    def rebuild(boxes: list[tuple[bytes, bytes]]) -> bytes:
        parts = []
        for name, inner in boxes:
            if name in _TREE:
                inner = rebuild(_boxes(inner))
                if name == b'stbl' and b'stss' not in leaves:
                    # left out where all pictures of the first part are key pictures
                    inner += _box(b'stss', tables[b'stss'])
            elif name in places and inner[0] == 0:
                at, value = places[name]
                inner = inner[:at] + struct.pack('>I', min(value, 2**32 - 1)) + inner[at + 4 :]
            elif name == b'stco':
                name, inner = b'co64', tables[b'co64']
            elif name in tables:
                inner = tables[name]
            parts.append(_box(name, inner))
        return b''.join(parts)

    return rebuild(_boxes(content))


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack('>I4s', 8 + len(content), name) + content


def _copy(source: IO[bytes], target: IO[bytes], size: int) -> None:
    while size:
        piece = source.read(min(size, _COPY))
        if not piece:
            raise Mp4Error(f'{source.name} is cut off')
        target.write(piece)
        size -= len(piece)
