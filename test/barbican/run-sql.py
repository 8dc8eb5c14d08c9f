"""Runs the SQL statement of standard input in the database of a SQLAlchemy URL, and prints its rows as JSON."""

import json
import sys

import sqlalchemy

with sqlalchemy.create_engine(sys.argv[1]).begin() as connection:
    result = connection.execute(sqlalchemy.text(sys.stdin.read()))
    rows = [dict(row) for row in result.mappings()] if result.returns_rows else []
print(json.dumps(rows, default=str))
