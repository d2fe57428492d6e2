"""Makes the vectors: small pictures, and the digests of what Pillow decodes them to, at each scale of its draft mode.

Python 3.11, NumPy 2, Pillow 13.0.0 with libjpeg-turbo 3.2.0; cjpeg of libjpeg-turbo 2.1.5 (Debian 12) writes what Pillow
cannot. Usage: vectors.py CJPEG, in this folder. With a second argument, the folder ../shared/data, it writes real.json too:
the digests of the real files, which are not copied.
"""
import hashlib, io, json, pathlib, re, subprocess, sys
import numpy as np
from PIL import Image

here, cjpeg = pathlib.Path(__file__).parent, sys.argv[1]
rng = np.random.default_rng(1)


def picture(w, h, noise=25):
    """Gradients, a disc, edges as of text, and noise: all frequencies and all colours, also clipped ones."""
    y, x = np.mgrid[0:h, 0:w].astype(float)
    p = np.stack([300 * x / w - 20, 300 * y / h - 20, 128 + 127 * np.sin((x * y) / 40)], axis=2)
    p[(x - w / 2) ** 2 + (y - h / 2) ** 2 < (h / 4) ** 2] = [250, 20, 30]
    p[(x // 3 % 5 == 0) & (y > 2 * h / 3)] = 0
    p[(y // 2 % 7 == 0) & (x > 2 * w / 3)] = 255
    return np.clip(p + rng.normal(0, noise, p.shape), 0, 255).astype(np.uint8)


def write(name, data):
    (here / (name + ".jpg")).write_bytes(data)


def pillow(name, p, mode="RGB", **options):
    b = io.BytesIO()
    im = Image.fromarray(p).convert(mode) if mode != "CMYK" else Image.fromarray(np.dstack([p, p[::-1, :, 0]]), "CMYK")
    im.save(b, "JPEG", **options)
    write(name, b.getvalue())
    return b.getvalue()


def turbo(name, p, *options):
    ppm = b"P6 %d %d 255\n" % (p.shape[1], p.shape[0]) + p.tobytes()
    write(name, subprocess.run([cjpeg, *options], input=ppm, capture_output=True, check=True).stdout)


def scans(text):
    (here / "scans.tmp").write_text(text)
    return "-scans", str(here / "scans.tmp")


for f in here.glob("*.jpg"):
    f.unlink()
big = picture(67, 45)
for q in 5, 75, 100:
    pillow(f"grey-q{q}", big, "L", quality=q)
    for s in 0, 1, 2:
        pillow(f"colour-s{s}-q{q}", big, quality=q, subsampling=s)
for s in 0, 1, 2:
    pillow(f"progressive-s{s}", big, quality=80, subsampling=s, progressive=True)
    pillow(f"restart-s{s}", big, quality=80, subsampling=s, restart_marker_blocks=3)
    pillow(f"progressive-restart-s{s}", big, quality=80, subsampling=s, progressive=True, restart_marker_rows=1)
pillow("progressive-grey", big, "L", quality=90, progressive=True)
pillow("progressive-q100", big, quality=100, subsampling=0, progressive=True)
pillow("optimized", big, quality=85, optimize=True)
pillow("smooth", picture(160, 120, 0), quality=60)
pillow("noise", picture(64, 64, 90), "L", quality=98)
pillow("rgb-adobe", big, quality=90, keep_rgb=True)
inks = pillow("cmyk", big, "CMYK", quality=90)
adobe = inks.index(b"Adobe") + 11
write("ycck", inks[:adobe] + b"\x02" + inks[adobe + 1:])
pillow("cmyk-progressive", big, "CMYK", quality=90, progressive=True)
pillow("large-quantizers", big, qtables=[[min(65535, 3 + 40 * i) for i in range(64)]] * 2)
for w, h in (1, 1), (2, 3), (3, 2), (5, 40), (40, 5), (8, 8), (9, 9), (16, 16), (17, 15), (31, 33), (7, 130):
    p = picture(w, h)
    pillow(f"size-{w}x{h}", p, quality=90)
    pillow(f"size-{w}x{h}-grey", p, "L", quality=90, progressive=True)
for sample in "1x2", "2x1", "4x1", "1x4", "4x2", "2x4", "3x1", "1x3", "2x2,2x1", "2x2,1x2,2x1", "1x1,2x2,1x1", "2x1,1x2,1x1", "4x1,2x1,1x1":
    for kind, more in ("", []), ("-progressive", ["-progressive"]):
        turbo(f"sample-{sample.replace(',', '-')}{kind}", big, "-quality", "85", "-sample", sample, *more)
turbo("rgb-named", big, "-quality", "85", "-rgb")
turbo("planes", big, "-quality", "85", *scans("0;1;2;"))
turbo("planes-mixed", big, "-quality", "85", "-sample", "2x1", "-restart", "5B", *scans("0;1 2;"))
turbo("progressive-fine", big, "-quality", "85",
      *scans("0 1 2: 0 0 0 2; 0: 1 9 0 3; 2: 1 63 0 2; 1: 1 63 0 1; 0: 10 63 0 3; 0: 1 63 3 2; 0: 1 63 2 1; 0 1 2: 0 0 2 1;"
             "2: 1 63 2 1; 0 1 2: 0 0 1 0; 0: 1 63 1 0; 1: 1 63 1 0; 2: 1 63 1 0;"))
(here / "scans.tmp").unlink()

# What is refused, by the reason that is expected.
ok = pillow("refused", big[:16, :16], quality=50)
(here / "refused.jpg").unlink()
sof = re.search(rb"\xff\xc0\x00\x11\x08", ok).start()
bad = {}
for marker, reason in (0xC3, "lossless coding"), (0xC5, "hierarchical coding"), (0xC9, "arithmetic coding"), (0xF7, "JPEG-LS"):
    bad[reason] = ok[:sof + 1] + bytes([marker]) + ok[sof + 2:]
bad["12 bits a sample"] = ok[:sof + 4] + b"\x0c" + ok[sof + 5:]
for reason, data in bad.items():
    write("refused-" + reason.replace(" ", "-"), data)


def digest(im):
    return [im.width, im.height, hashlib.sha256(im.tobytes()).hexdigest()]


def decoded(data):
    """For each scale the size asked for, and width, height and digest of the grey and of the RGB."""
    out = []
    for times in 1, 2, 4, 8:
        im = Image.open(io.BytesIO(data))
        size = max(1, im.width // times), max(1, im.height // times)
        row = {"size": size}
        for key, mode in ("grey", "L"), ("rgb", "RGB"):
            im = Image.open(io.BytesIO(data))
            im.draft(mode, size)
            row[key] = digest((im.convert("RGB") if im.mode == "CMYK" else im).convert(mode))
        out.append(row)
    return out


def table(path, rows):
    path.write_text("{\n" + ",\n".join(json.dumps(k) + ": " + json.dumps(v) for k, v in sorted(rows.items())) + "\n}\n")


table(here / "vectors.json", {f.name: decoded(f.read_bytes()) for f in here.glob("*.jpg") if not f.name.startswith("refused")})
if len(sys.argv) > 2:
    data = pathlib.Path(sys.argv[2])
    sums = {}
    for d in "bccd", "brain_tumor_mri", "chase_db1", "chest_xray_kermany", "isic2017":
        for f in sorted((data / d).rglob("*.jp*g")):
            if f.read_bytes()[:2] == b"\xff\xd8":
                rows = [row[key] for row in decoded(f.read_bytes()) for key in ("grey", "rgb")]
                sums[str(f.relative_to(data))] = hashlib.sha256(" ".join(r[2] for r in rows).encode()).hexdigest()
    table(here / "real.json", sums)
