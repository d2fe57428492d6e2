"""Writes the golden vectors with ffmpeg 5.1.9 and Pillow 13.0.0: python3 vectors.py

vectors.json says for each file what ffmpeg says of it, and the RGB of each frame, as base64: that which Pillow decodes from the JPEG that ffmpeg takes out of the
file as it is, or ffmpeg's own where frames are not compressed.
"""
import base64, io, json, pathlib, subprocess
import numpy as np
from PIL import Image

here, want = pathlib.Path(__file__).parent, {}
SOURCE = ["-f", "lavfi", "-i", "testsrc=size=34x22:rate=30000/1001,noise=alls=20:allf=t:all_seed=1"]


def ffmpeg(*a):
    return subprocess.run(["ffmpeg", "-y", "-loglevel", "error", *a], check=True, capture_output=True).stdout


def save(name, *options, frames=4):
    ffmpeg(*SOURCE, "-frames:v", str(frames), *options, "-fflags", "+bitexact", "-flags:v", "+bitexact", str(here / name))


def say(name, pixels, codec):
    want[name] = {"w": 34, "h": 22, "rate": 30000, "scale": 1001, "codec": codec, "frames": [base64.b64encode(p).decode() for p in pixels]}


def jpegs(name):
    text = ffmpeg("-i", str(here / name), "-c", "copy", "-f", "image2pipe", "-")
    parts = [b"\xff\xd8" + p for p in text.split(b"\xff\xd8")[1:]]
    return [Image.open(io.BytesIO(p)).convert("RGB").tobytes() for p in parts]


save("mjpeg.avi", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-huffman", "default")
say("mjpeg.avi", jpegs("mjpeg.avi"), "MJPG")
save("grey.avi", "-vf", "format=gray,format=yuvj444p", "-c:v", "mjpeg", "-q:v", "3")
say("grey.avi", jpegs("grey.avi"), "MJPG")
# without tables, as cameras write it: each segment of tables becomes one of no meaning and the same length
text = bytearray((here / "mjpeg.avi").read_bytes())
out, at = bytearray(), 0
while (i := text.find(b"\xff\xc4", at)) >= 0:
    text[i + 1], at = 0xed, i + 2
(here / "no-tables.avi").write_bytes(text)
want["no-tables.avi"] = want["mjpeg.avi"]
for name, fmt in (("raw24.avi", "bgr24"), ("raw32.avi", "bgra"), ("raw8.avi", "pal8")):
    save(name, "-c:v", "rawvideo", "-pix_fmt", fmt, frames=2)
    text = ffmpeg("-i", str(here / name), "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    n = 34 * 22 * 3
    say(name, [text[i:i + n] for i in range(0, len(text), n)], "RGB ")
(here / "vectors.json").write_text(json.dumps(want, indent=0, sort_keys=True) + "\n")
