# Makes the volumes of this folder with SimpleITK 2.5.7, and vectors.json with what it reads in them: voxels in their stored order, and where two of them lie.
import json
import numpy as np
import SimpleITK as sitk

print("SimpleITK", sitk.Version.VersionString())
rng = np.random.default_rng(3)
out = {}
types = {"int8": sitk.sitkInt8, "uint8": sitk.sitkUInt8, "int16": sitk.sitkInt16, "uint16": sitk.sitkUInt16, "int32": sitk.sitkInt32, "uint32": sitk.sitkUInt32, "float32": sitk.sitkFloat32, "float64": sitk.sitkFloat64}
turns = {"plain": (1, 0, 0, 0, 1, 0, 0, 0, 1), "turned": (0, 0, 1, 1, 0, 0, 0, -1, 0), "flipped": (-1, 0, 0, 0, -1, 0, 0, 0, 1)}


def write(name, dtype, turn, compress=False):
    values = rng.integers(-100 if np.dtype(dtype).kind != "u" else 0, 100, (2, 3, 4)).astype(dtype)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((0.5, 0.75, 2.5))
    image.SetOrigin((-10.5, 20.25, 300))
    image.SetDirection(turns[turn])
    sitk.WriteImage(image, name, compress)
    again = sitk.ReadImage(name)
    out[name] = {
        "values": [float(v) for v in sitk.GetArrayFromImage(again).flatten()],
        "points": [[0, 0, 0, *again.TransformIndexToPhysicalPoint((0, 0, 0))], [3, 1, 1, *again.TransformIndexToPhysicalPoint((3, 1, 1))]],
    }


for dtype in types:
    write(f"{dtype}.mhd", dtype, "plain")
for turn in turns:
    write(f"{turn}.mha", "int16", turn)
write("packed.mhd", "int16", "turned", True)
write("packed.mha", "float32", "flipped", True)
json.dump(out, open("vectors.json", "w"))
