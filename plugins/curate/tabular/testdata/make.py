# Makes the vectors of package tabular with pyarrow 26.0.1 (pip install pyarrow==26.0.1; python make.py): one table as
# Parquet with each of the codecs, and as the text that its cells become; and another table with the DELTA encodings, as
# Parquet with both versions of pages, two of 350 rows a column, and as the text that pyarrow says it has.
import csv
import datetime as dt
import gzip
import io

import pyarrow as pa
import pyarrow.parquet as pq

table = pa.table({
    "id": pa.array([1, 2, 3], pa.int64()),
    "small": pa.array([-1, None, 127], pa.int8()),
    "value": pa.array([0.1, 1e300, None], pa.float64()),
    "single": pa.array([0.1, -2.5, 3e10], pa.float32()),
    "name": pa.array(["a", "ü, \"quoted\"", None], pa.string()),
    "yes": pa.array([True, False, None], pa.bool_()),
    "when": pa.array([dt.datetime(2180, 8, 6, 1, 2, 3), None, dt.datetime(1969, 12, 31, 23, 59, 59, 500000)], pa.timestamp("us")),
    "day": pa.array([dt.date(2180, 8, 6), dt.date(1970, 1, 1), None], pa.date32()),
    "class": pa.array(["x", "y", "x"]).dictionary_encode(),
})
for codec in ["none", "snappy", "gzip", "zstd", "lz4", "brotli"]:
    pq.write_table(table, f"{codec}.parquet", compression=codec, row_group_size=2)
pq.write_table(table, "v2.parquet", data_page_version="2.0", use_dictionary=False)
pq.write_table(pa.table({"list": [[1, 2], [3]]}), "nested.parquet")

n = range(700)
small, large = (-2**31, 2**31 - 1), (-2**63, 2**63 - 1)
words = ["", "a", "an", "ant", "anteater", "ant", "äh", "z" * 9, "z" * 33, "z" * 66 + "y"]
delta = pa.table({
    "id": pa.array([i * i for i in n], pa.int64()),
    "byte": pa.array([None if i % 5 == 0 else i % 255 - 127 for i in n], pa.int8()),
    "int": pa.array([small[i % 2] if i > 340 else None if i % 7 == 3 else -3 * i for i in n], pa.int32()),
    "long": pa.array([large[i % 2] if i > 600 else None if i % 11 == 3 else -10**15 * i for i in n], pa.int64()),
    "day": pa.array([None if i < 350 else dt.date(1960 + i // 28, 1 + i % 12, 1 + i % 28) for i in n], pa.date32()),
    "word": pa.array([None if i % 3 == 1 else words[i * i % 10] for i in n], pa.string()),
    "name": pa.array([None if i % 13 == 1 else words[i % 10] + "-" * (i % 4) for i in n], pa.string()),
    "code": pa.array([None if i % 17 == 1 else b"%05d" % (i * 7) for i in n], pa.binary(5)),
    "key": pa.array([b"%016d" % (i * 7777) for i in n], pa.binary(16)),
}).cast(pa.schema([
    pa.field("id", pa.int64(), nullable=False), ("byte", pa.int8()), ("int", pa.int32()), ("long", pa.int64()), ("day", pa.date32()),
    ("word", pa.string()), ("name", pa.string()), ("code", pa.binary(5)), pa.field("key", pa.binary(16), nullable=False),
]))
encodings = {name: "DELTA_BINARY_PACKED" for name in ["id", "byte", "int", "long", "day"]}
encodings |= {"word": "DELTA_LENGTH_BYTE_ARRAY", "name": "DELTA_BYTE_ARRAY", "code": "DELTA_BYTE_ARRAY", "key": "DELTA_BYTE_ARRAY"}
for version, codec in [("1.0", "none"), ("2.0", "zstd")]:
    file = f"delta{version[0]}.parquet"
    pq.write_table(delta, file, compression=codec, use_dictionary=False, column_encoding=encodings, data_page_version=version, write_batch_size=350, data_page_size=1)
    assert pq.read_table(file).equals(delta)
rows = io.StringIO()
out = csv.writer(rows, lineterminator="\n")
out.writerow(delta.column_names)
out.writerows([v.decode() if isinstance(v, bytes) else v for v in row.values()] for row in pq.read_table("delta1.parquet").to_pylist())
with open("delta.csv.gz", "wb") as f:
    f.write(gzip.compress(rows.getvalue().encode(), mtime=0))
