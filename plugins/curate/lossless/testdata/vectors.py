"""Writes the golden vectors: python3 vectors.py

Files are written with libjpeg-turbo 3.1.3 and CharLS 2.4.3 (imagecodecs 2026.3.6) and pyjpegls 1.5.1.
vectors.json says what pylibjpeg-libjpeg 2.5.0 (lossless JPEG) and CharLS (JPEG-LS) decode them to: SHA-256 of the samples as
little-endian 16-bit numbers. Pictures are generated.
"""
import hashlib, json, pathlib
import numpy as np
import imagecodecs, jpeg_ls
from libjpeg import decode as libjpeg_decode

here = pathlib.Path(__file__).parent
want = {}


def picture(bits, rows, columns, components=1, seed=1):
    """half smooth, with flat parts and edges, half noise"""
    rng = np.random.default_rng(seed)
    top = (1 << bits) - 1
    y, x = np.mgrid[:rows, :columns]
    out = np.stack([(np.sin(x / 9 + c) + np.cos(y / 7 - c) + 2) / 4 * top for c in range(components)], 2)
    out[rows // 4:rows // 2, columns // 4:columns // 2] = top // 3
    out[:3] = 0
    out += rng.normal(0, 1 + top / 200, out.shape) * (x > columns * 2 // 3)[..., None]
    noisy = (y > rows * 3 // 4)[..., None] & (x < columns // 4)[..., None]
    out = np.where(noisy, rng.integers(0, top, out.shape, endpoint=True), out)
    out = np.clip(out, 0, top).astype(np.uint8 if bits <= 8 else np.uint16)
    return out if components > 1 else out[..., 0]


def save(name, data, bits, pixels, exact=None):
    if exact is not None and not (pixels == exact).all():
        raise SystemExit(f"{name}: the reference does not give back what was written")
    (here / name).write_bytes(data)
    want[name] = {"rows": pixels.shape[0], "columns": pixels.shape[1], "components": 1 if pixels.ndim == 2 else pixels.shape[2], "bits": bits,
                  "sha256": hashlib.sha256(pixels.astype("<u2").tobytes()).hexdigest()}


for predictor in range(1, 8):
    p = picture(12, 31, 45, seed=predictor)
    data = imagecodecs.jpeg8_encode(p, lossless=True, predictor=predictor, bitspersample=12)
    save(f"predictor-{predictor}.jpg", data, 12, libjpeg_decode(data), p)
for bits in (2, 7, 8, 10, 16):
    p = picture(bits, 23, 37)
    data = imagecodecs.jpeg8_encode(p, lossless=True, predictor=1, bitspersample=bits)
    save(f"bits-{bits}.jpg", data, bits, libjpeg_decode(data) if bits > 2 else p, p)
p = picture(8, 19, 22, 3)
data = imagecodecs.jpeg8_encode(p, lossless=True, predictor=4, colorspace="RGB", outcolorspace="RGB")
save("colour.jpg", data, 8, imagecodecs.jpeg8_decode(data, colorspace="RGB", outcolorspace="RGB"), p)
p = np.array([[0, 65535, 0, 32768], [65535, 0, 32768, 0], [1, 2, 3, 65535]], np.uint16)
data = imagecodecs.jpeg8_encode(p, lossless=True, predictor=1, bitspersample=16)
save("jumps.jpg", data, 16, libjpeg_decode(data), p)

for bits in (2, 5, 8, 12, 16):
    for near in (0, 3):
        if near > ((1 << bits) - 1) // 2:
            continue
        p = picture(bits, 29, 41)
        data = imagecodecs.jpegls_encode(p, level=near)
        if bits not in (8, 16):
            data = jpeg_ls.encode_array(p, lossy_error=near)  # finds the bits that are used
        back = imagecodecs.jpegls_decode(bytes(data))
        depth = data[data.index(b"\xff\xf7") + 4]
        save(f"bits-{bits}-near-{near}.jls", bytes(data), depth, back, p if near == 0 else None)
for mode in (0, 1, 2):
    for near in (0, 2):
        for bits in (8, 12):
            p = picture(bits, 17, 26, 3)
            data = bytes(jpeg_ls.encode_array(p, lossy_error=near, interleave_mode=mode) if mode else jpeg_ls.encode_array(p.transpose(2, 0, 1).copy(), lossy_error=near, interleave_mode=0))
            back = imagecodecs.jpegls_decode(data)
            if back.shape != p.shape:
                back = back.transpose(1, 2, 0)
            depth = data[data.index(b"\xff\xf7") + 4]
            save(f"mode-{mode}-bits-{bits}-near-{near}.jls", data, depth, back, p if near == 0 else None)
p = picture(16, 1, 300)
data = bytes(imagecodecs.jpegls_encode(p))
save("one-row.jls", data, data[data.index(b"\xff\xf7") + 4], imagecodecs.jpegls_decode(data), p)
p = np.zeros((40, 3000), np.uint8)
p[20:, 7] = 9
data = bytes(jpeg_ls.encode_array(p))
save("long-runs.jls", data, data[data.index(b"\xff\xf7") + 4], imagecodecs.jpegls_decode(data), p)
(here / "vectors.json").write_text(json.dumps(want, indent=1, sort_keys=True) + "\n")
