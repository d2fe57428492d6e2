"""Writes the golden vectors with opj_compress of OpenJPEG 2.5.0 (Debian): python3 vectors.py

vectors.json says what OpenJPEG 2.5.4 (imagecodecs 2026.3.6) decodes: SHA-256 of the samples as little-endian 16-bit numbers of lossless files, and the samples
themselves, in base64, of the others. Pictures are generated.
"""
import base64, hashlib, json, pathlib, subprocess, tempfile
import numpy as np
import imagecodecs

here, want = pathlib.Path(__file__).parent, {}


def picture(bits, rows, columns, components=1, seed=1):
    rng = np.random.default_rng(seed)
    top = (1 << bits) - 1
    y, x = np.mgrid[:rows, :columns]
    out = np.stack([(np.sin(x / 9 + c) + np.cos(y / 7 - c) + 2) / 4 * top for c in range(components)], 2)
    out[rows // 4:rows // 2, columns // 4:columns // 2] = top // 3
    out += rng.normal(0, 1 + top / 200, out.shape) * (x > columns * 2 // 3)[..., None]
    return np.clip(out, 0, top).astype(np.uint16)


def save(name, bits, components, *options, rows=61, columns=83, signed=False):
    p = picture(bits, rows, columns, components)
    with tempfile.TemporaryDirectory() as d:
        raw = pathlib.Path(d) / "in.raw"
        planes = np.moveaxis(p, 2, 0)
        raw.write_bytes(planes.astype(np.uint8 if bits <= 8 else ">u2").tobytes())
        out = pathlib.Path(d) / ("out." + name.rsplit(".")[-1])
        mct = [] if components == 1 else ["-mct", "1"]
        subprocess.run(["opj_compress", "-i", str(raw), "-o", str(out), "-F", f"{columns},{rows},{components},{bits},{'s' if signed else 'u'}", *mct, *options], check=True, capture_output=True)
        data = out.read_bytes()
    (here / name).write_bytes(data)
    back = np.asarray(imagecodecs.jpeg2k_decode(data))
    back = back.reshape(rows, columns, components)
    said = want[name] = {"rows": rows, "columns": columns, "components": components, "bits": bits}
    back = (back.astype(np.int64) & ((1 << bits) - 1)).astype("<u2")
    if "-I" in options or "-r" in options:
        said["samples"] = base64.b64encode(back.tobytes()).decode()
    else:
        if not signed and not (back == p).all():
            raise SystemExit(name + ": OpenJPEG does not give back what was written")
        said["sha256"] = hashlib.sha256(back.tobytes()).hexdigest()


save("grey8.j2k", 8, 1)
save("grey12.j2k", 12, 1)
save("grey16.j2k", 16, 1)
save("signed12.j2k", 12, 1, signed=True)
save("file.jp2", 8, 1)
save("colour.j2k", 8, 3)
save("one-level.j2k", 8, 1, "-n", "1")
save("two-levels.j2k", 8, 1, "-n", "2")
save("narrow.j2k", 8, 1, "-n", "2", rows=37, columns=3)
save("flat.j2k", 8, 1, "-n", "2", rows=2, columns=37)
for order in ("LRCP", "RLCP", "RPCL", "PCRL", "CPRL"):
    save(f"order-{order.lower()}.j2k", 8, 3, "-p", order, "-c", "[32,32],[16,16],[16,16]", "-b", "8,8", "-n", "4")
save("tiles.j2k", 8, 3, "-t", "32,32", "-n", "3")
save("shifted.j2k", 8, 1, "-t", "30,27", "-T", "5,3", "-d", "7,9", "-n", "4")
save("marked.j2k", 8, 1, "-SOP", "-EPH", "-b", "16,16")
for mode in (1, 2, 4, 8, 32, 63 - 16):
    save(f"mode-{mode}.j2k", 12, 1, "-M", str(mode), "-b", "16,16", "-n", "3")
save("layers.j2k", 12, 1, "-r", "20,10,5,1")
save("lossy.j2k", 8, 1, "-I", "-r", "8")
save("lossy-colour.j2k", 8, 3, "-I", "-r", "20,10", "-n", "4")
save("lossy12.j2k", 12, 1, "-I", "-r", "4")
(here / "vectors.json").write_text(json.dumps(want, indent=0, sort_keys=True) + "\n")
