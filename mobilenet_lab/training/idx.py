"""Files of the format idx, in which MNIST and Fashion-MNIST are handed out, gzipped or not.

Two zero bytes, the type of the numbers (8: bytes without sign), how many dimensions, the size of
each as four bytes with the highest first, then the numbers.
"""

import gzip
import struct
import zlib
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from mobilenet_lab.errors import LabError

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

BYTES = 8
ZIPPED = b"\x1f\x8b"


def read_idx(path: Path, dimensions: int) -> "NDArray[uint8]":
    """The array in a file: `dimensions` sizes, numbers from 0 to 255.

    Raises:
        LabError: the file cannot be read, is no idx file of bytes in as many dimensions, or is
            shorter or longer than it says.
    """
    import numpy

    try:
        content = path.read_bytes()
        if content.startswith(ZIPPED):
            content = gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise LabError(f"{path} is cut off or damaged: it cannot be unzipped") from None
    except OSError as error:
        raise LabError(f"cannot read {path}: {error.strerror}") from None
    start = 4 + 4 * dimensions
    if len(content) < start or content[:4] != bytes((0, 0, BYTES, dimensions)):
        raise LabError(f"{path} is no idx file of bytes in {dimensions} dimensions")
    sizes = struct.unpack_from(f">{dimensions}I", content, 4)
    if len(content) - start != prod(sizes):
        raise LabError(
            f"{path} says that it holds {prod(sizes):,} numbers, and holds {len(content) - start:,}"
        )
    return numpy.frombuffer(content, numpy.uint8, offset=start).reshape(sizes)
