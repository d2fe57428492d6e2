"""Writes the golden vectors with NumPy 2: python3 vectors.py. vectors.json says what numpy.load reads from each, in C order."""
import io, json, pathlib
import numpy as np

here = pathlib.Path(__file__).parent
rng = np.random.default_rng(1)
want = {}


def keep(name, a, version=None):
    out = io.BytesIO()
    np.lib.format.write_array(out, a, version=version)
    (here / f"{name}.npy").write_bytes(out.getvalue())
    back = np.load(here / f"{name}.npy")
    flat = back.flatten(order="C").tolist()
    text = [v.decode("latin-1") if isinstance(v, bytes) else v if isinstance(v, str) else str(int(v)) if isinstance(v, (bool, int))
            else f"{v.real!r} {v.imag!r}" if isinstance(v, complex) else repr(v) for v in flat]
    want[f"{name}.npy"] = {"shape": list(back.shape), "values": text}


for t in "i1 i2 i4 i8 u1 u2 u4 u8".split():
    for order in "<>":
        info = np.iinfo(t)
        keep(("le-" if order == "<" else "be-") + t, rng.integers(info.min, info.max, (2, 3), dtype=t, endpoint=True).astype(order + t))
for t in "f2 f4 f8 c8 c16".split():
    for order in "<>":
        a = rng.normal(size=(2, 3)).astype(t)
        a[0, 0], a[1, 1], a[1, 2] = np.inf, -0.0, np.nextafter(np.dtype(t.replace("c8", "f4").replace("c16", "f8")).type(0), np.dtype(t.replace("c8", "f4").replace("c16", "f8")).type(1))
        keep(("le-" if order == "<" else "be-") + t, a.astype(order + t))
keep("bool", np.array([True, False]))
keep("bytes", np.array([b"ab", b"cde", b""]))
keep("text", np.array(["pt1_x", "Ü☂", ""]))
keep("text-be", np.array(["pt1_x", "Ü☂"]).astype(">U5"))
keep("fortran", np.asfortranarray(rng.integers(0, 99, (2, 3, 4)).astype("<i2")))
keep("scalar", np.array(7.5))
keep("empty", np.zeros((0, 3)))
keep("version2", np.arange(3.0), (2, 0))
keep("version3", np.arange(3.0), (3, 0))
(here / "vectors.json").write_text(json.dumps(want, indent=0, ensure_ascii=False) + "\n")
for name, a in {"object": np.array([None]), "date": np.array(["2020-01-01"], "M8[D]"), "record": np.zeros(1, [("a", "i4")]), "long": np.zeros(1, np.longdouble)}.items():
    np.save(here / f"refused-{name}.npy", a)
