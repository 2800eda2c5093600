"""Writing triangles as OBJ, STL or GLB.

Formats: Wavefront OBJ (text; vertices and faces), binary STL (triangles with normals), glTF 2.0 in one binary file.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

from minimal_hand_core.robots.hand_pieces import Mesh

MESH_FORMATS = ('obj', 'stl', 'glb')

_UPRIGHT = np.array([1.0, -1.0, -1.0])
"""Camera axes (y down, z forward) → those that glTF prescribes (y up, z towards the viewer): half a turn about x."""
_FLOAT, _SHORT, _INT = 5126, 5123, 5125
_VERTICES, _INDICES = 34962, 34963


def write_mesh(path: Path, mesh: Mesh) -> None:
    """Write a mesh in the format its name ends with; metres.

    Raises:
        ValueError: not one of MESH_FORMATS.
    """
    writers = {'.obj': obj_bytes, '.stl': stl_bytes, '.glb': glb_bytes}
    if path.suffix not in writers:
        raise ValueError(f'mesh format: expected one of {", ".join(MESH_FORMATS)}, found {path.suffix or path.name!r}')
    path.write_bytes(writers[path.suffix](mesh))


def write_seen_mesh(path: Path, mesh: Mesh) -> None:
    """`write_mesh` of a mesh in a camera's frame (x right, y down, z forward): OBJ and STL keep its axes, as everything
    else does, and GLB is turned upright, as that format wants it.

    Raises:
        ValueError: not one of MESH_FORMATS.
    """
    if path.suffix == '.glb':
        mesh = Mesh(mesh.vertices * _UPRIGHT, mesh.faces)
    write_mesh(path, mesh)


def obj_bytes(mesh: Mesh) -> bytes:
    """The mesh as OBJ, to a hundredth of a millimetre."""
    lines = [f'v {x:.5f} {y:.5f} {z:.5f}' for x, y, z in mesh.vertices.tolist()]
    lines += [f'f {a} {b} {c}' for a, b, c in (mesh.faces + 1).tolist()]
    return ('\n'.join(lines) + '\n').replace('-0.00000', '0.00000').encode()


def stl_bytes(mesh: Mesh) -> bytes:
    """The mesh as binary STL."""
    corners = mesh.vertices[mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0)
    rows = np.zeros(len(corners), np.dtype([('numbers', '<f4', (12,)), ('attribute', '<u2')]))
    rows['numbers'] = np.concatenate([normals, corners.reshape(-1, 9)], axis=1)
    return bytes(80) + struct.pack('<I', len(corners)) + rows.tobytes()


def glb_bytes(mesh: Mesh) -> bytes:
    """The mesh as binary glTF 2.0."""
    short = len(mesh.vertices) < 65535
    points = mesh.vertices.astype('<f4')
    indices = mesh.faces.astype('<u2' if short else '<u4').tobytes()
    # Views start at multiples of their numbers' size, chunks are filled up to multiples of four bytes.
    body = points.tobytes() + indices + bytes(-len(indices) % 4)
    head = {
        'asset': {'version': '2.0'},
        'scene': 0,
        'scenes': [{'nodes': [0]}],
        'nodes': [{'mesh': 0}],
        'meshes': [{'primitives': [{'attributes': {'POSITION': 0}, 'indices': 1}]}],
        'buffers': [{'byteLength': len(body)}],
        'bufferViews': [
            {'buffer': 0, 'byteOffset': 0, 'byteLength': points.nbytes, 'target': _VERTICES},
            {'buffer': 0, 'byteOffset': points.nbytes, 'byteLength': len(indices), 'target': _INDICES},
        ],
        'accessors': [
            {
                'bufferView': 0,
                'componentType': _FLOAT,
                'count': len(points),
                'type': 'VEC3',
                'min': points.min(axis=0).tolist(),
                'max': points.max(axis=0).tolist(),
            },
            {'bufferView': 1, 'componentType': _SHORT if short else _INT, 'count': mesh.faces.size, 'type': 'SCALAR'},
        ],
    }
    text = json.dumps(head, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 4)
    chunks = struct.pack('<I4s', len(text), b'JSON') + text + struct.pack('<I4s', len(body), b'BIN\0') + body
    return struct.pack('<4sII', b'glTF', 2, 12 + len(chunks)) + chunks
