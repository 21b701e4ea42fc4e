"""Reads columns of Parquet files, and prints how many rows they have and the seconds of each turn as JSON.

    python parquet.py TURNS POINTS COLUMNS FILE [FILE ...]

With POINTS above 0 only so many rows, evenly chosen, become Python values, as for a chart; else all stay in Arrow's
memory. COLUMNS are separated by commas; none means all.
"""

import json
import sys
import time

import pyarrow
import pyarrow.parquet

turns, points, columns, *files = sys.argv[1:]
wanted = columns.split(",") if columns else None


def read():
    tables = [pyarrow.parquet.read_table(file, columns=wanted, partitioning=None) for file in files]
    if int(points):
        for table in tables:
            every = max(1, table.num_rows // int(points))
            table.take(pyarrow.array(range(0, table.num_rows, every))).to_pydict()
    return sum(table.num_rows for table in tables)


read()  # what is only needed once does not count
seconds = []
for _ in range(int(turns)):
    started = time.perf_counter()
    rows = read()
    seconds.append(time.perf_counter() - started)
print(json.dumps({"rows": rows, "seconds": seconds}))
