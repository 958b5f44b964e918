"""The board on paper in its true size: a PDF of plain rectangles, or a PNG that says its resolution. Start at `render_board`."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

from robot_drivers.calibration.board import BoardDescription, make_opencv_board
from robot_drivers.calibration.opencv import import_opencv
from stage_core.errors import ConfigurationError

PAPERS_MM = {"a4": (297.0, 210.0), "a3": (420.0, 297.0), "letter": (279.4, 215.9)}
EDGE_MM = 5.0  # printers leave this much white
RULER_MM = 100.0
POINTS_PER_MM = 72.0 / 25.4
PNG_PIXELS_PER_MM = 20


def render_board(board: BoardDescription, path: Path, *, paper: str = "a4") -> bytes:
    """Return the file with the board, to be printed at 100 %.

    Args:
        board: What to print.
        path: Its suffix chooses PDF or PNG; nothing is written here.
        paper: a4, a3 or letter, landscape; for a PDF.

    Raises:
        ConfigurationError: If the board does not fit on the paper, or the suffix is another one.
    """
    if path.suffix.lower() == ".png":
        return _png(board)
    if path.suffix.lower() != ".pdf":
        raise ConfigurationError(f"--output is {path}; expected a name that ends in .pdf or .png.")
    width, height = PAPERS_MM[paper]
    across, up = 1e3 * board.columns * board.square_m, 1e3 * board.rows * board.square_m
    if across > width - 2 * EDGE_MM or up > height - 2 * EDGE_MM - 10.0:
        raise ConfigurationError(
            f"the board is {across:.0f} x {up:.0f} mm and does not fit on {paper} ({width:.0f} x {height:.0f} mm)."
            " Take smaller squares, fewer of them, or larger paper."
        )
    return _pdf(board, width, height)


def board_cells(board: BoardDescription) -> tuple[np.ndarray, np.ndarray]:
    """Return black rectangles of the board: origins (r, 2) and sizes (r,) of squares, m, x right and y down from the upper left corner."""
    cv2 = import_opencv()
    dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, board.dictionary))
    bits = dictionary.markerSize + 2
    origins, sizes = [], []
    inset = (board.square_m - board.marker_m) / 2.0
    black = {(column, row) for row in range(board.rows) for column in range(board.columns) if (column + row) % 2 == 0}
    for column, row in sorted(black):
        origins.append((column * board.square_m, row * board.square_m))
        sizes.append(board.square_m)
    white = [(column, row) for row in range(board.rows) for column in range(board.columns) if (column, row) not in black]
    for number, (column, row) in zip(make_opencv_board(board).getIds().ravel(), white, strict=True):
        marker = cv2.aruco.generateImageMarker(dictionary, int(number), bits)
        for y, x in np.argwhere(marker == 0):
            origins.append(
                (column * board.square_m + inset + x * board.marker_m / bits, row * board.square_m + inset + y * board.marker_m / bits)
            )
            sizes.append(board.marker_m / bits)
    return np.array(origins), np.array(sizes)


def _caption(board: BoardDescription) -> str:
    return (
        f"{board.columns} x {board.rows} squares of {1e3 * board.square_m:g} mm, markers {1e3 * board.marker_m:g} mm, {board.dictionary}."
        " Print at 100 %; the line is 100 mm. Measure the squares."
    )


def _pdf(board: BoardDescription, width: float, height: float) -> bytes:
    origins, sizes = board_cells(board)
    left = (width - 1e3 * board.columns * board.square_m) / 2.0
    top = (height + 1e3 * board.rows * board.square_m) / 2.0 + 4.0  # a little up: the line and its words stand below
    below = top - 1e3 * board.rows * board.square_m - 4.0
    grown = 0.005  # mm; neighbouring rectangles overlap, so that no renderer shows a hairline between them
    marks = [f"{POINTS_PER_MM:.9f} 0 0 {POINTS_PER_MM:.9f} 0 0 cm 0 g"]  # from here on in mm
    for (x, y), size in zip(1e3 * origins, 1e3 * sizes, strict=True):
        marks.append(f"{left + x - grown:.4f} {top - y - size - grown:.4f} {size + 2 * grown:.4f} {size + 2 * grown:.4f} re f")
    marks.append(f"0.3 w {left:.3f} {below:.3f} m {left + RULER_MM:.3f} {below:.3f} l S")
    marks += [f"{left + x:.3f} {below - 1.5:.3f} m {left + x:.3f} {below + 1.5:.3f} l S" for x in (0.0, RULER_MM)]
    marks.append(f"BT /F1 3 Tf {left + RULER_MM + 3.0:.3f} {below - 1.0:.3f} Td 0.3 Tc 80 Tz ({_caption(board)}) Tj ET")
    content = "\n".join(marks).encode("ascii")
    page = f"/MediaBox [0 0 {width * POINTS_PER_MM:.3f} {height * POINTS_PER_MM:.3f}]"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /ViewerPreferences << /PrintScaling /None >> >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R {page} /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>".encode(),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    data, places = b"%PDF-1.6\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(data))
    return data + b"xref\n0 %d\n0000000000 65535 f \n%s%s" % (len(objects) + 1, table, end)


def board_image(board: BoardDescription, *, pixels_per_square: int, margin: int) -> np.ndarray:
    """Return (H, W) uint8: the board as an image, `margin` pixels of white around it."""
    size = (board.columns * pixels_per_square, board.rows * pixels_per_square)
    image = make_opencv_board(board).generateImage(size, marginSize=0)
    return np.pad(image, margin, constant_values=255)


def _png(board: BoardDescription) -> bytes:
    pixels = round(1e3 * board.square_m * PNG_PIXELS_PER_MM)
    image = board_image(board, pixels_per_square=pixels, margin=pixels // 2)
    data = import_opencv().imencode(".png", image)[1].tobytes()
    per_metre = round(pixels / board.square_m)
    body = b"pHYs" + struct.pack(">IIB", per_metre, per_metre, 1)  # 1: per metre; a printing program takes its size from here
    header_end = 8 + 25  # signature and IHDR
    return data[:header_end] + struct.pack(">I", 9) + body + struct.pack(">I", zlib.crc32(body)) + data[header_end:]
