"""What must last: schema, migrations, queries. SQLite by default. Rows are plain values; rules live above."""
