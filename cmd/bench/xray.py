import pathlib, sys, time
import numpy, PIL.Image

# Importing does not count; bench reads what is printed. With a third argument Pillow may decode at a smaller scale.
start, cpu = time.perf_counter(), time.process_time()
raw, out = map(pathlib.Path, sys.argv[1:3])
for i, file in enumerate(sorted(raw.rglob("*.jp*g"))):
    picture = PIL.Image.open(file)
    if len(sys.argv) > 3:
        picture.draft("L", (224, 224))
    picture = picture.convert("L").resize((224, 224), PIL.Image.Resampling.BILINEAR)
    numpy.save(out / f"{i}.npy", numpy.asarray(picture))
print("figure seconds", time.perf_counter() - start)
print("figure cpu", time.process_time() - cpu)
