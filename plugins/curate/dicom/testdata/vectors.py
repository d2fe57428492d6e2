"""Writes the golden vectors with pydicom 3.0.2, NumPy 2.4.6, Pillow 13.0.0, pylibjpeg-libjpeg 2.5.0, pyjpegls 1.5.1 and imagecodecs 2026.3.6: python3 vectors.py

Every file is generated noise. vectors.json says what pydicom reads from it: the SHA-256 of its rescaled pixels as little-endian
float64, frame after frame, or the pixels themselves where they come from a JPEG, whose decoders differ by a little.
"""
import hashlib, io, json, pathlib
import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_color_lut, apply_modality_lut
from pydicom.sequence import Sequence
import imagecodecs, jpeg_ls
from pydicom.uid import (JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian,
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
        ds.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    ds.save_as(here / name, enforce_file_format=True, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=order == "<")
    back = dcmread(here / name)
    indexed = back.PhotometricInterpretation == "PALETTE COLOR"
    values = np.asarray(apply_modality_lut(apply_color_lut(back.pixel_array, back) if indexed else back.pixel_array, back), "<f8")
    want[name] = {"syntax": str(syntax), "rows": back.Rows, "columns": back.Columns, "frames": int(back.get("NumberOfFrames", 1)), "samples": 3 if indexed else back.SamplesPerPixel}
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


def ll(pixels, bits, predictor=1):
    rgb = {"colorspace": "RGB", "outcolorspace": "RGB"} if pixels.ndim == 3 else {}
    return imagecodecs.jpeg8_encode(pixels, lossless=True, predictor=predictor, bitspersample=bits, **rgb)


deep, seen = noise(np.uint16, 12, (3, 9, 11)), noise(np.uint8, 8, (1, 6, 8, 3))
signed = noise(np.int16, 16, (1, 9, 11))
save("lossless-12.dcm", dataset(deep[:1], 12, **rescale), JPEGLosslessSV1, frames=encapsulate([ll(deep[0], 12)]))
save("lossless-frames.dcm", dataset(deep, 12), JPEGLosslessSV1, frames=encapsulate([ll(p, 12) for p in deep], fragments_per_frame=2))
save("lossless-fragments.dcm", dataset(deep[:1], 12), JPEGLossless, frames=encapsulate([ll(deep[0], 12, 5)], fragments_per_frame=3, has_bot=False))
save("lossless-signed.dcm", dataset(signed, 16, **rescale), JPEGLossless, frames=encapsulate([ll(signed[0].view(np.uint16), 16, 6)]))
save("lossless-rgb.dcm", dataset(seen, 8, "RGB"), JPEGLosslessSV1, frames=encapsulate([ll(seen[0], 8)]))
save("jpegls-12.dcm", dataset(deep[:1], 12, **rescale), JPEGLSLossless, frames=encapsulate([bytes(jpeg_ls.encode_array(deep[0]))]))
save("jpegls-near.dcm", dataset(deep, 12), JPEGLSNearLossless, frames=encapsulate([bytes(jpeg_ls.encode_array(p, lossy_error=2)) for p in deep]))
save("jpegls-signed.dcm", dataset(signed, 16), JPEGLSLossless, frames=encapsulate([bytes(jpeg_ls.encode_array(signed[0].view(np.uint16)))]))
for mode in (1, 2):
    save(f"jpegls-rgb-{mode}.dcm", dataset(seen, 8, "RGB"), JPEGLSLossless, frames=encapsulate([bytes(jpeg_ls.encode_array(seen[0], interleave_mode=mode))]))
save("ybr.dcm", dataset(noise(np.uint8, 8, (2, 4, 6, 3)), 8, "YBR_FULL"), ExplicitVRLittleEndian)
save("ybr-planar.dcm", dataset(noise(np.uint8, 8, (2, 4, 6, 3)), 8, "YBR_FULL", planar=1), ExplicitVRLittleEndian)
save("ybr-rle.dcm", dataset(noise(np.uint8, 8, (2, 4, 6, 3)), 8, "YBR_FULL"), RLELossless)
ds, _ = dataset(noise(np.uint8, 8, (2, 4, 6, 3)), 8, "YBR_FULL_422")
save("ybr-422.dcm", (ds, noise(np.uint8, 8, (2, 4, 3, 4))), ExplicitVRLittleEndian)
b = io.BytesIO()
Image.fromarray(colour).save(b, "JPEG", quality=95, subsampling=0, keep_rgb=True)
save("jpeg-rgb.dcm", dataset(colour[None], 8, "RGB"), JPEGBaseline8Bit, False, encapsulate([b.getvalue()]))
bits = np.random.default_rng(5).integers(0, 2, (3, 5, 7)).astype(np.uint8)
ds, _ = dataset(bits, 8)
ds.BitsAllocated = ds.BitsStored = 1
ds.HighBit = 0
save("bitmap.dcm", (ds, np.packbits(bits.ravel(), bitorder="little")), ExplicitVRLittleEndian)
for depth in (8, 16):
    ds, p = dataset(noise(np.uint8, 8, (1, 5, 7)), 8, "PALETTE COLOR")
    for i, c in enumerate(("Red", "Green", "Blue")):
        setattr(ds, c + "PaletteColorLookupTableDescriptor", [200, 20, depth])
        table = np.random.default_rng(i).integers(0, 1 << depth, 200).astype("<u1" if depth == 8 else "<u2")
        setattr(ds, c + "PaletteColorLookupTableData", table.tobytes())
    save(f"palette-{depth}.dcm", (ds, p), ExplicitVRLittleEndian)
for mark, dtype, first in (("unsigned", np.uint16, 100), ("signed", np.int16, -50)):
    ds, p = dataset(noise(dtype, 9, (1, 5, 7)), 12)
    item = Dataset()
    item.LUTDescriptor, item.LUTData, item.ModalityLUTType = [150, first, 16], np.random.default_rng(9).integers(0, 65536, 150).tolist(), "US"
    item["LUTDescriptor"].VR = "SS" if first < 0 else "US"
    item["LUTData"].VR = "US"
    ds.ModalityLUTSequence = Sequence([item])
    save(f"table-{mark}.dcm", (ds, p), ExplicitVRLittleEndian)
# an enhanced image: what is said of all frames, and of each
ds, p = dataset(noise(np.int16, 12, (3, 5, 7)), 12)
shared = Dataset()
shared.PlaneOrientationSequence = Sequence([Dataset()])
shared.PlaneOrientationSequence[0].ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
ds.SharedFunctionalGroupsSequence = Sequence([shared])
groups = []
for z in (10, -5, 2.5):
    g = Dataset()
    for name, at, value in (("PlanePositionSequence", "ImagePositionPatient", [1, 2, z]), ("PixelValueTransformationSequence", "RescaleSlope", z),
                            ("FrameVOILUTSequence", "WindowCenter", z)):
        setattr(g, name, Sequence([Dataset()]))
        setattr(getattr(g, name)[0], at, value)
    g.PixelValueTransformationSequence[0].RescaleIntercept = 1
    g.FrameVOILUTSequence[0].WindowWidth = 7
    groups.append(g)
ds.PerFrameFunctionalGroupsSequence = Sequence(groups)
save("enhanced.dcm", (ds, p), ExplicitVRLittleEndian)
scaled = np.stack([f * z + 1 for f, z in zip(p, (10, -5, 2.5))]).astype("<f8")  # pydicom leaves this to its caller
want["enhanced.dcm"]["sha256"] = hashlib.sha256(scaled.tobytes()).hexdigest()
(here / "vectors.json").write_text(json.dumps(want, indent=1, sort_keys=True) + "\n")
