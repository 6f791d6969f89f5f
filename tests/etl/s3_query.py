"""
What anybody asks a published lake: DuckDB with httpfs, and nothing of DARE.

usage: s3_query.py ENDPOINT QUERY      ENDPOINT: host:port. Prints the rows as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import duckdb
import duckdb_extension_httpfs

endpoint, query = sys.argv[1:]
[extension] = Path(duckdb_extension_httpfs.__file__).parent.rglob("httpfs.duckdb_extension")
connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
connection.execute(f"load '{extension}'")
connection.execute(
    f"""
    create secret (
      type s3, key_id '{os.environ["AWS_ACCESS_KEY_ID"]}', secret '{os.environ["AWS_SECRET_ACCESS_KEY"]}',
      region '{os.environ["AWS_REGION"]}', endpoint '{endpoint}', url_style 'path', use_ssl false
    )
    """
)
print(json.dumps(connection.execute(query).fetchall()))
