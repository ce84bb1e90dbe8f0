"""Where history is kept and read: Postgres, a folder of Parquet, or Spark over such a folder."""
