# Makes the vectors of package tabular with pyarrow 26.0.1 (pip install pyarrow==26.0.1; python make.py): one table as
# Parquet with each of the codecs, and as the text that its cells become.
import datetime as dt

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
