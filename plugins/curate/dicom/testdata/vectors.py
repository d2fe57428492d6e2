"""Writes the golden vectors with pydicom 3.0.2, NumPy 2.4.6 and Pillow 13.0.0: python3 vectors.py

Every file is generated noise. vectors.json says what pydicom reads from it: the SHA-256 of its rescaled pixels as little-endian
float64, frame after frame, or the pixels themselves where they come from a JPEG, whose decoders differ by a little.
"""
import hashlib, io, json, pathlib
import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_rescale
from pydicom.sequence import Sequence
from pydicom.uid import (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian,
                         JPEGBaseline8Bit, RLELossless)

here = pathlib.Path(__file__).parent
want = {}


def dataset(pixels, bits, photometric="MONOCHROME2", planar=None, **more):
    """pixels: [frames, rows, columns] or [frames, rows, columns, 3]"""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    ds.PatientID, ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = "p1", "1.2.3.4", "1.2.3.5", "CT"
    item = Dataset()
    item.CodeValue = "nested"
    item.Rows = 999  # what is nested is not the image's
    ds.ProcedureCodeSequence = Sequence([item, item])
    ds.ProcedureCodeSequence.is_undefined_length = True
    item.is_undefined_length_sequence_item = True
    ds.Rows, ds.Columns = pixels.shape[1:3]
    ds.SamplesPerPixel = 3 if pixels.ndim == 4 else 1
    if pixels.ndim == 4:
        ds.PlanarConfiguration = planar or 0
    if len(pixels) > 1:
        ds.NumberOfFrames = len(pixels)
    ds.PhotometricInterpretation = photometric
    ds.BitsAllocated = pixels.dtype.itemsize * 8
    ds.BitsStored, ds.HighBit = bits, bits - 1
    ds.PixelRepresentation = int(np.issubdtype(pixels.dtype, np.signedinteger))
    for name, value in more.items():
        setattr(ds, name, value)
    if planar:
        pixels = np.moveaxis(pixels, 3, 1)
    return ds, pixels


def save(name, made, syntax, exact=True, frames=None):
    ds, pixels = made
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax == RLELossless else syntax
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    data = frames or pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OW" if ds.BitsAllocated > 8 else "OB"
    if frames:
        ds["PixelData"].is_undefined_length = True
    if syntax == RLELossless:
        ds.compress(RLELossless, generate_instance_uid=False)
    ds.save_as(here / name, enforce_file_format=True, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=order == "<")
    back = dcmread(here / name)
    values = np.asarray(apply_rescale(back.pixel_array, back), "<f8")
    want[name] = {"syntax": str(syntax), "rows": back.Rows, "columns": back.Columns, "frames": int(back.get("NumberOfFrames", 1)), "samples": back.SamplesPerPixel}
    if exact:
        want[name]["sha256"] = hashlib.sha256(values.tobytes()).hexdigest()
    else:
        want[name]["pixels"] = values.ravel().astype(int).tolist()


def noise(dtype, bits, shape=(1, 5, 7), seed=1):
    rng = np.random.default_rng(seed)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if np.issubdtype(dtype, np.signedinteger) else (0, (1 << bits) - 1)
    return rng.integers(low, high, shape, dtype=dtype, endpoint=True)


def smooth(*shape):
    y, x = np.mgrid[:shape[0], :shape[1]]
    grey = (8 * x + 5 * y + 20) % 200
    return np.stack([grey, 255 - grey, grey // 2], 2).astype(np.uint8) if len(shape) == 3 else grey.astype(np.uint8)


def jpeg(pixels):
    b = io.BytesIO()
    Image.fromarray(pixels).save(b, "JPEG", quality=95, subsampling=0)
    return b.getvalue()


syntaxes = {"explicit": ExplicitVRLittleEndian, "implicit": ImplicitVRLittleEndian, "big": ExplicitVRBigEndian,
            "deflated": DeflatedExplicitVRLittleEndian, "rle": RLELossless}
rescale = {"RescaleSlope": "0.5", "RescaleIntercept": "-1024.25", "WindowCenter": ["40", "-600"], "WindowWidth": ["400", "1500"]}
for mark, syntax in syntaxes.items():
    for dtype, bits in ((np.uint8, 8), (np.uint16, 12), (np.int16, 12), (np.int16, 16), (np.uint32, 32), (np.int32, 24)):
        if mark == "deflated" and bits != 12 or mark == "rle" and bits > 16:
            continue
        save(f"{mark}-{np.dtype(dtype).name}-{bits}.dcm", dataset(noise(dtype, bits), bits, **rescale), syntax)
    save(f"{mark}-frames.dcm", dataset(noise(np.int16, 16, (3, 5, 7)), 16), syntax)
    save(f"{mark}-rgb.dcm", dataset(noise(np.uint8, 8, (2, 4, 6, 3)), 8, "RGB"), syntax)
    if mark != "rle":
        save(f"{mark}-planar.dcm", dataset(noise(np.uint8, 8, (2, 4, 6, 3)), 8, "RGB", planar=1), syntax)
runs = np.zeros((1, 40, 50), np.uint16)
runs[0, 10:30, 3:45] = 1000
save("rle-runs.dcm", dataset(runs, 12), RLELossless)
grey, colour = smooth(21, 19), smooth(16, 24, 3)
save("jpeg-grey.dcm", dataset(grey[None], 8), JPEGBaseline8Bit, False, encapsulate([jpeg(grey)]))
save("jpeg-fragments.dcm", dataset(grey[None], 8), JPEGBaseline8Bit, False, encapsulate([jpeg(grey)], fragments_per_frame=3))
save("jpeg-frames.dcm", dataset(np.stack([grey, grey[::-1]]), 8), JPEGBaseline8Bit, False, encapsulate([jpeg(grey), jpeg(grey[::-1])]))
save("jpeg-colour.dcm", dataset(colour[None], 8, "YBR_FULL"), JPEGBaseline8Bit, False, encapsulate([jpeg(colour)]))
(here / "vectors.json").write_text(json.dumps(want, indent=1, sort_keys=True) + "\n")
