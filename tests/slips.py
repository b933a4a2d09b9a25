"""Small whole files of every kind that a receipt may be, no two of them the same."""

import struct
import zlib


def a_pdf(text: str = "Transfer of 500.00") -> bytes:
    return f"%PDF-1.4\n% {text}\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n".encode()


def a_png(shade: int = 0) -> bytes:
    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes([0, shade]))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )


def a_jpeg(shade: int = 0) -> bytes:
    """With a preview in its header, which has an end of its own."""
    preview = b"Exif\x00\x00\xff\xd8\xff\xd9"
    exif = b"\xff\xe1" + struct.pack(">H", len(preview) + 2) + preview
    scan = b"\xff\xff\xda" + struct.pack(">H", 8) + bytes(6) + bytes([shade, 0x7F])
    return b"\xff\xd8" + exif + scan + b"\xff\xd9"


def a_webp(shade: int = 0) -> bytes:
    data = b"WEBPVP8L" + struct.pack("<I", 2) + bytes([0x2F, shade])
    return b"RIFF" + struct.pack("<I", len(data)) + data


def a_heic(shade: int = 0) -> bytes:
    boxes = ((b"ftyp", b"heic\0\0\0\0mif1"), (b"meta", bytes(4)), (b"mdat", bytes([shade])))
    return b"".join(struct.pack(">I", len(data) + 8) + name + data for name, data in boxes)


SLIPS = {
    "application/pdf": ("slip.pdf", a_pdf()),
    "image/png": ("slip.png", a_png()),
    "image/jpeg": ("slip.jpeg", a_jpeg()),
    "image/webp": ("slip.webp", a_webp()),
    "image/heic": ("slip.heic", a_heic()),
}
