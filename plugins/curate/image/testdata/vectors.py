"""Writes the golden vectors with Pillow 13.0.0, tifffile 2026.3.3, pydicom 3.0.2 and NumPy 2.4.6: python3 vectors.py

Pictures are generated. vectors.json says what Pillow reads from each: RGB bytes in base64, transparent pixels on black; of 16 bits the upper eight. Of DICOM it
says the grey that pydicom's apply_voi_lut gives, spread over 0 to 255 and rounded half up; MONOCHROME1 is turned round.
"""
import base64, json, pathlib
import numpy as np
import tifffile
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

here, want = pathlib.Path(__file__).parent, {}
h, w = 9, 12
rng = np.random.default_rng(1)
rgb = rng.integers(0, 256, (h, w, 3), dtype=np.uint8)
grey, deep = rgb[..., 0], rng.integers(0, 65536, (h, w), dtype=np.uint16)
alpha = np.dstack([rgb, rng.integers(0, 2, (h, w), dtype=np.uint8) * 255])


def said(name, pixels):
    want[name] = {"w": pixels.shape[1], "h": pixels.shape[0], "pixels": base64.b64encode(np.ascontiguousarray(pixels, np.uint8).tobytes()).decode()}


def pillow(name, image=None, **options):
    if image is not None:
        image.save(here / name, **options)
    back = Image.open(here / name)
    back.seek(0)
    if back.mode.startswith("I"):
        said(name, np.repeat((np.asarray(back).astype(np.uint32) >> 8)[..., None], 3, 2))
        return
    a = np.asarray(back.convert("RGBA")).astype(int)
    said(name, a[..., :3] * (a[..., 3:] == 255))


pillow("rgb.png", Image.fromarray(rgb))
pillow("grey16.png", Image.fromarray(deep))
pillow("palette.png", Image.fromarray(rgb).quantize(16))
pillow("palette-transparent.png", Image.fromarray(rgb).quantize(16), transparency=3)
pillow("grey-transparent.png", Image.fromarray(grey // 64), transparency=2)
pillow("one-bit.png", Image.fromarray(grey).convert("1"))
pillow("alpha.png", Image.fromarray(alpha))
pillow("rgb.bmp", Image.fromarray(rgb))
pillow("palette.bmp", Image.fromarray(rgb).quantize(16))
pillow("lossless.webp", Image.fromarray(rgb), lossless=True)
pillow("rgb.gif", Image.fromarray(rgb).quantize(64))
frames = [Image.fromarray(np.roll(rgb, i, 1)).quantize(16) for i in range(3)]
pillow("frames.gif", frames[0], save_all=True, append_images=frames[1:], duration=40)
for compression in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits"):
    pillow(f"rgb-{compression or 'plain'}.tif", Image.fromarray(rgb), compression=compression)
pillow("grey.tif", Image.fromarray(grey))
pillow("palette.tif", Image.fromarray(rgb).quantize(16))
tifffile.imwrite(here / "grey16.tif", deep, byteorder=">")
pillow("grey16.tif")
tifffile.imwrite(here / "tiles.tif", np.tile(rgb, (3, 3, 1)), tile=(16, 16), photometric="rgb", compression="zlib", predictor=True)
pillow("tiles.tif")


def dicom(name, pixels, bits=12, photometric="MONOCHROME2", voi=None, **more):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID, ds.PatientID = "1.2.840.10008.5.1.4.1.1.1.2", "1.2.3." + str(len(want)), "p" + str(len(want))
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, photometric
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, bits, bits - 1
    ds.PixelRepresentation = int(pixels.dtype == np.int16)
    for k, v in more.items():
        setattr(ds, k, v)
    if voi:
        item = Dataset()
        item.LUTDescriptor, item.LUTData = voi
        item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
        ds.VOILUTSequence = Sequence([item])
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OW"
    ds.save_as(here / name, enforce_file_format=True)
    ds = dcmread(here / name)
    values = apply_modality_lut(ds.pixel_array, ds)
    seen = apply_voi_lut(values, ds).astype(float)
    if voi:
        low, high = 0, (1 << voi[0][2]) - 1
    elif "WindowWidth" in more:
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if ds.PixelRepresentation else (0, (1 << bits) - 1)
        low, high = (v * more.get("RescaleSlope", 1) + more.get("RescaleIntercept", 0) for v in (low, high))
    else:
        low, high = seen.min(), seen.max()
    eight = np.floor((seen - low) / (high - low) * 255 + 0.5)
    said(name, 255 - eight if photometric == "MONOCHROME1" else eight)


twelve = rng.integers(0, 4096, (h, w), dtype=np.uint16)
signed = rng.integers(-2048, 2048, (h, w), dtype=np.int16)
dicom("values.dcm", twelve)
dicom("window.dcm", twelve, WindowCenter=[2000, 10], WindowWidth=[1500, 20])
dicom("inverse.dcm", twelve, photometric="MONOCHROME1", WindowCenter=2000, WindowWidth=1500)
dicom("exact.dcm", twelve, WindowCenter=2000, WindowWidth=1500, VOILUTFunction="LINEAR_EXACT")
dicom("sigmoid.dcm", twelve, WindowCenter=2000, WindowWidth=1500, VOILUTFunction="SIGMOID")
dicom("ct.dcm", signed, RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=40, WindowWidth=400)
dicom("table.dcm", twelve, voi=([2000, 900, 10], np.sort(rng.integers(0, 1024, 2000)).tolist()))
(here / "vectors.json").write_text(json.dumps(want, indent=0, sort_keys=True) + "\n")
