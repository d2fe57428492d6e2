"""Writes the golden vectors with nibabel 5.4.2 and NumPy 2.4.6: python3 vectors.py

Every file is generated noise. vectors.json says what nibabel reads from it: the affine, the axis codes, and the SHA-256 of
get_fdata() as little-endian float64 with the first axis fastest.
"""
import gzip, hashlib, json, pathlib
import nibabel as nib
import numpy as np

here = pathlib.Path(__file__).parent
want = {}


def keep(name, image):
    data = image.to_bytes()
    if name.endswith(".gz"):
        data = gzip.compress(data, mtime=0)
    (here / name).write_bytes(data)
    back = nib.load(here / name)
    values = np.asarray(back.get_fdata(), "<f8")
    want[name] = {
        "dims": list(back.shape),
        "type": back.get_data_dtype().newbyteorder("=").name,
        "affine": np.asarray(back.affine)[:3].tolist(),
        "axes": "".join(nib.aff2axcodes(back.affine)),
        "sha256": hashlib.sha256(values.tobytes(order="F")).hexdigest(),
    }


def noise(dtype, shape=(4, 3, 2), seed=1):
    rng = np.random.default_rng(seed)
    if np.issubdtype(dtype, np.floating):
        return (rng.standard_normal(shape) * 1000).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


def image(kind, data, endian="<", affine=None, code="sform", slope=None, inter=None):
    header = kind.header_class(endianness=endian)
    header.set_data_dtype(data.dtype)
    header.set_data_shape(data.shape)
    made = kind(data, None, header=header, dtype=data.dtype)
    made.header.set_sform(affine if code == "sform" else None, code=2 if code == "sform" else 0)
    made.header.set_qform(affine if code == "qform" else None, code=1 if code == "qform" else 0)
    if slope is not None:
        made.header.set_slope_inter(slope, inter)
    return made


def rotation(x, y, z):
    def turn(i, j, a):
        m = np.eye(3)
        m[i, i] = m[j, j] = np.cos(a)
        m[i, j], m[j, i] = -np.sin(a), np.sin(a)
        return m
    return turn(1, 2, x) @ turn(0, 2, y) @ turn(0, 1, z)


class Scaled:
    """An image whose stored numbers and scale are both ours: nibabel would choose its own."""

    def __init__(self, made, slope, inter):
        self.made, self.slope, self.inter = made, slope, inter

    def to_bytes(self):
        b, h = bytearray(self.made.to_bytes()), self.made.header
        for name, v in (("scl_slope", self.slope), ("scl_inter", self.inter)):
            dtype, at = h.template_dtype.fields[name][:2]
            b[at:at + dtype.itemsize] = np.array(v, dtype.newbyteorder(h.endianness)).tobytes()
        return bytes(b)


plain = np.diag([2, 3, 4, 1]).astype(float)
for kind, version in ((nib.Nifti1Image, 1), (nib.Nifti2Image, 2)):
    for endian, mark in (("<", "le"), (">", "be")):
        for t in "uint8 int8 int16 uint16 int32 uint32 int64 uint64 float32 float64".split():
            keep(f"v{version}-{mark}-{t}.nii", image(kind, noise(np.dtype(t)), endian, plain))
        keep(f"v{version}-{mark}-scaled.nii", Scaled(image(kind, noise(np.int16), endian, plain), 0.1, -1024.3))
        oblique = np.eye(4)
        oblique[:3, :3] = rotation(0.3, -0.2, 2.9) @ np.diag([0.7, -0.8, 5])
        oblique[:3, 3] = 10, -20, 30.5
        keep(f"v{version}-{mark}-qform.nii.gz", image(kind, noise(np.int16, (5, 4, 3, 2)), endian, oblique, "qform"))
        keep(f"v{version}-{mark}-base.nii.gz", image(kind, noise(np.uint8, (7, 5)), endian, None, "none"))

codes = 0
for i, (axes, flips) in enumerate([((1, 2, 0), (-1, 1, -1)), ((2, 0, 1), (1, -1, 1)), ((0, 2, 1), (-1, -1, 1)), ((1, 0, 2), (1, 1, -1))]):
    a = np.zeros((4, 4))
    a[3, 3] = 1
    for j, (to, sign) in enumerate(zip(axes, flips)):
        a[to, j] = sign * (j + 1)
    keep(f"axes-{i}.nii", image(nib.Nifti1Image, noise(np.uint8, (2, 3, 4), seed=i), affine=a))
extended = image(nib.Nifti1Image, noise(np.int16), affine=plain)
extended.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"passed over"))
keep("extension.nii", extended)
(here / "vectors.json").write_text(json.dumps(want, indent=1, sort_keys=True) + "\n")
