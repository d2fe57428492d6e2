"""Writes malformed.json: what pydicom 3.0.2 (with pylibjpeg-libjpeg 2.5.0, pylibjpeg-openjpeg 2.6.0, pyjpegls 1.5.1 and NumPy 2.4.6) reads from its own
test files: python3 malformed.py /work/shared/data/malformed/dicom_pydicom

Of each file the SHA-256 of the rescaled pixels, through the palette if there is one, as little-endian float64; the pixels themselves where they come from a
JPEG, and each 97th of a JPEG 2000; or why there are none.
"""
import hashlib, json, pathlib, sys, warnings
import numpy as np
from pydicom import dcmread
from pydicom.pixels import apply_color_lut, apply_modality_lut

warnings.simplefilter("ignore")
root, out = pathlib.Path(sys.argv[1]), {}
for p in sorted(root.rglob("*")):
    if p.is_dir():
        continue
    said = out[str(p.relative_to(root))] = {}
    try:
        ds = dcmread(p, force=True)
        said["syntax"] = str(ds.file_meta.get("TransferSyntaxUID", ""))
        a = ds.pixel_array
        if ds.PhotometricInterpretation == "PALETTE COLOR":
            a = apply_color_lut(a, ds)
        a = np.asarray(apply_modality_lut(a, ds), "<f8")
        said["shape"] = list(a.shape)
        if said["syntax"].startswith("1.2.840.10008.1.2.4.5") and said["syntax"] < "1.2.840.10008.1.2.4.57":
            said["pixels"] = a.astype(int).ravel().tolist()
        elif said["syntax"] == "1.2.840.10008.1.2.4.91":
            said["every97"] = a.astype(int).ravel()[::97].tolist()
        else:
            said["sha256"] = hashlib.sha256(a.tobytes()).hexdigest()
    except Exception as e:
        said["error"] = f"{type(e).__name__}: {e}"[:160]
(pathlib.Path(__file__).parent / "malformed.json").write_text(json.dumps(out, indent=0, sort_keys=True) + "\n")
