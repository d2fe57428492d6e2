"""Writes the golden vectors with ffmpeg 5.1.9 and Pillow 13.0.0: python3 vectors.py

film.mp4 is H.264 with frames that depend on later ones, and its index at the end. vectors.json has the RGB of frames, as base64: those of GIF as Pillow
composes them, on black; those of film.mp4 as ffmpeg decodes them, brought to RGB by NumPy 2.4.6 with the formulas of
ITU-R BT.601.
"""
import base64, json, pathlib, subprocess
import numpy as np
from PIL import Image

here, want = pathlib.Path(__file__).parent, {}


def ffmpeg(*a):
    return subprocess.run(["ffmpeg", "-y", "-loglevel", "error", *a], check=True, capture_output=True).stdout


ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=2", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "12", "-bf", "2", "-crf", "30", "-threads", "1",
       "-fflags", "+bitexact", "-flags:v", "+bitexact", str(here / "film.mp4"))
text = np.frombuffer(ffmpeg("-i", str(here / "film.mp4"), "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"), np.uint8).reshape(-1, 64 * 48 * 3 // 2).astype(float)
y = text[:, :64 * 48].reshape(-1, 48, 64)
cb, cr = (text[:, 64 * 48 + i * 32 * 24:][:, :32 * 24].reshape(-1, 24, 32).repeat(2, 1).repeat(2, 2) - 128 for i in (0, 1))
kr, kb = 0.299, 0.114  # ITU-R BT.601, luma from 16 to 235, chroma from 16 to 240
y, cb, cr = (y - 16) * 255 / 219, cb * 255 / 224, cr * 255 / 224
rgb = np.stack([y + 2 * (1 - kr) * cr, y - 2 * kb * (1 - kb) / (1 - kr - kb) * cb - 2 * kr * (1 - kr) / (1 - kr - kb) * cr, y + 2 * (1 - kb) * cb], 3)
rgb = np.clip(np.floor(rgb + 0.5), 0, 255).astype(np.uint8)
want["film.mp4"] = [base64.b64encode(f.tobytes()).decode() for f in rgb[::10]]

# a GIF whose frames are parts of the picture, transparent ones among them, with every way of disposal
rng = np.random.default_rng(1)
for name, disposal in (("keep.gif", 1), ("background.gif", 2), ("previous.gif", 3)):
    frames = []
    for i in range(5):
        a = np.zeros((20, 30, 4), np.uint8)
        y, x = 3 * i, 4 * i
        a[y:y + 6, x:x + 9, :3] = rng.integers(0, 4, (6, 9, 3)) * 80
        a[y:y + 6, x:x + 9, 3] = rng.integers(0, 2, (6, 9)) * 255
        frames.append(Image.fromarray(a))
    frames[0].save(here / name, save_all=True, append_images=frames[1:], duration=40, disposal=disposal)
    back, out = Image.open(here / name), []
    for i in range(back.n_frames):
        back.seek(i)
        a = np.asarray(back.convert("RGBA")).astype(int)
        out.append(base64.b64encode((a[..., :3] * (a[..., 3:] == 255)).astype(np.uint8).tobytes()).decode())
    want[name] = out
(here / "vectors.json").write_text(json.dumps(want, indent=0, sort_keys=True) + "\n")
