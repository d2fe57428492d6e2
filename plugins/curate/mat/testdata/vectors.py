"""Writes the golden vectors with SciPy 1.17.1 and NumPy 2: python3 vectors.py

The files matlab-* were written by MATLAB itself and are those of SciPy's own tests (scipy/io/matlab/tests/data, BSD-3-Clause,
Copyright (c) SciPy Developers). The others are made here. vectors.json says what scipy.io.loadmat reads from each, or that it refuses it.
"""
import json, pathlib
import numpy as np, scipy.io

here = pathlib.Path(__file__).parent
source = pathlib.Path(scipy.io.matlab.__file__).parent / "tests/data"
MATLAB = """bad_miuint32 big_endian broken_utf8 corrupted_zlib_checksum corrupted_zlib_data little_endian logical_sparse
malformed1 miuint32_for_miint32 miutf8_array_name nasty_duplicate_fieldnames one_by_zero_char single_empty_string some_functions
test3dmatrix_6.1_SOL2 test3dmatrix_7.4_GLNX86 test_empty_struct test_mat4_le_floats testbool_8_WIN64
testcell_6.1_SOL2 testcellnest_6.1_SOL2 testcellnest_7.4_GLNX86 testcomplex_4.2c_SOL2 testcomplex_7.4_GLNX86 testdouble_4.2c_SOL2 testdouble_6.5.1_GLNX86
testemptycell_5.3_SOL2 testfunc_7.4_GLNX86 testhdf5_7.4_GLNX86 testmatrix_6.1_SOL2 testminus_4.2c_SOL2 testmulti_4.2c_SOL2 testmulti_7.4_GLNX86
testobject_6.1_SOL2 testonechar_4.2c_SOL2 testsparse_4.2c_SOL2 testsparsecomplex_7.4_GLNX86 teststring_6.5.1_GLNX86 teststringarray_4.2c_SOL2
teststringarray_7.4_GLNX86 teststruct_6.1_SOL2 teststructarr_7.4_GLNX86 teststructnest_6.1_SOL2 testunicode_7.4_GLNX86 testvec_4_GLNX86""".split()


def numbers(x):
    return [str(int(v)) if x.dtype.kind in "iub" else repr(float(v)) for v in x.flatten(order="F")]


def dump(x):
    if x.dtype == object and all(e is None for e in x.flatten()):
        return {"shape": list(x.shape)}  # a struct without fields
    if x.dtype.names:
        fields = list(x.dtype.names)
        return {"shape": list(x.shape), "fields": fields, "cells": [dump(e[f]) for e in x.flatten(order="F") for f in fields]}
    if x.dtype == object:
        return {"shape": list(x.shape), "cells": [dump(e) for e in x.flatten(order="F")]}
    if x.dtype.kind == "U":
        return {"text": [str(v) for v in x.flatten()]}
    out = {"shape": list(x.shape), "real": numbers(x.real)}
    if x.dtype.kind == "c":
        out["imag"] = numbers(x.imag)
    return out


def expect(path):
    kinds = {n: c for n, s, c in scipy.io.whosmat(path)}
    got = scipy.io.loadmat(path)
    out = []
    for name, kind in kinds.items():
        v = {"name": "" if name == "__function_workspace__" else name, "class": kind}
        if kind not in ("sparse", "function", "object", "opaque", "unknown") and hasattr(got.get(name), "flatten"):
            v.update(dump(got[name]))
        out.append(v)
    return sorted(out, key=lambda v: v["name"])


rng = np.random.default_rng(1)
every = {}
for t in "float64 float32 int8 uint8 int16 uint16 int32 uint32 int64 uint64".split():
    lo, hi = (-1000, 1000) if t.startswith("float") else (np.iinfo(t).min, np.iinfo(t).max)
    a = rng.uniform(lo, hi, (2, 3)).astype(t) if t.startswith("float") else rng.integers(lo, hi, (2, 3), dtype=t, endpoint=True)
    every[t] = a
every["complex128"] = rng.normal(size=(3, 2)) + 1j * rng.normal(size=(3, 2))
every["bool"] = np.array([[True, False, True]])
every["three"] = rng.integers(0, 99, (2, 3, 4)).astype("int16")
every["empty"] = np.zeros((0, 5))
every["odd"] = np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324])
text = {"word": "Mänö ☂", "rows": np.array(["ab", "cde"]), "nothing": ""}
nested = {"s": {"a": 1, "b": {"c": [1, 2]}, "text": "x"}, "c": np.array([1, "two", np.array([[3.0]])], dtype=object),
          "array": np.array([(1, "p"), (2, "q")], dtype=[("n", object), ("t", object)])}
made = {
    "v5": (every | text | nested, {}), "v5-compressed": (every | text | nested, {"do_compression": True}),
    "v4": ({k: v for k, v in every.items() if v.ndim < 3 and k not in ("int64", "uint64", "bool")} | {"word": "abc", "rows": np.array(["ab", "cde"])}, {"format": "4"}),
}
want = {}
for name, (variables, options) in made.items():
    scipy.io.savemat(here / f"{name}.mat", variables, **options)
    data = bytearray((here / f"{name}.mat").read_bytes())
    if name != "v4":  # SciPy writes the time
        data[:116] = b"MATLAB 5.0 MAT-file".ljust(116)
        (here / f"{name}.mat").write_bytes(data)
    want[f"{name}.mat"] = expect(here / f"{name}.mat")
for name in MATLAB:
    path = here / f"matlab-{name}.mat"
    path.write_bytes((source / f"{name}.mat").read_bytes())
    try:
        want[path.name] = expect(path)
    except Exception as e:
        want[path.name] = None
        print(name, type(e).__name__, e)
lines = [json.dumps(k) + ": " + json.dumps(v, ensure_ascii=False) for k, v in sorted(want.items())]
(here / "vectors.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
