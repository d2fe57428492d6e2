# Makes duckdb.parquet with DuckDB 2.0.1 (pip install duckdb==2.0.1; python make_duckdb.py): pages with differences, and with runs of
# levels that are filled up to 256 values.
import duckdb

duckdb.sql("""
    COPY (SELECT i * i AS id, CASE WHEN i % 5 > 0 THEN (-i)::INT END AS n, CASE WHEN i % 7 > 0 THEN 'name ' || i END AS s FROM range(300) t(i))
    TO 'duckdb.parquet' (FORMAT parquet, PARQUET_VERSION v2, DICTIONARY_SIZE_LIMIT 1)
""")
