"""One expression on every engine: the same history in Postgres, in Parquet under DuckDB and under Spark gives the same
table, value by value."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from django.core.management import CommandError, call_command

from decisioning.features import history, materialise
from decisioning.features.derived import derived
from decisioning.features.engines.duckdb import DuckDB
from decisioning.features.engines.postgres import Postgres
from decisioning.features.export import export_parquet
from decisioning.features.groups import IMPLEMENTATIONS
from decisioning.models import FeatureVector
from tests.decisioning import bitemporal
from tests.factories import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    if find_spec("pyspark") is None or shutil.which("java") is None:
        pytest.skip("Spark needs pyspark and a Java runtime, and one of them is not here")
    from pyspark.sql import SparkSession

    logging.getLogger("py4j").setLevel(logging.WARNING)  # it would write when all is closed
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    # Tables this small are read sooner than code for them is compiled.
    small = {"shuffle.partitions": "2", "codegen.wholeStage": "false", "codegen.factoryMode": "NO_CODEGEN"}
    for name, value in small.items():
        builder = builder.config(f"spark.sql.{name}", value)
    session = builder.getOrCreate()
    yield session
    session.stop()


@pytest.fixture
def spine() -> pa.Table:
    return bitemporal.spine(bitemporal.make(60), 400)


def _differences(left: pa.Table, right: pa.Table) -> dict[str, list[object]]:
    assert left.schema == right.schema
    return {
        name: [pair for pair in zip(left[name].to_pylist(), right[name].to_pylist(), strict=True) if pair[0] != pair[1]]
        for name in left.column_names
        if not left[name].equals(right[name])
    }


def test_postgres_and_duckdb_give_the_same_table(spine: pa.Table, tmp_path: Path) -> None:
    export_parquet(tmp_path, NOW)
    expected = history.as_of(Postgres(), spine)
    assert _differences(history.as_of(DuckDB(tmp_path), spine), expected) == {}
    # What is never known would be equal anyhow; only forests tell unusual activity.
    computed = {*derived(), *(name for each in IMPLEMENTATIONS.values() for name in each.aggregated)}
    unknown = {name for name in computed if expected[name].null_count == len(expected)}
    assert unknown == {"unusual_activity"}


def test_postgres_and_spark_give_the_same_table(spine: pa.Table, tmp_path: Path, session: Any) -> None:
    from decisioning.features.engines.spark import Spark

    export_parquet(tmp_path, NOW)
    assert _differences(history.as_of(Spark(session, tmp_path), spine), history.as_of(Postgres(), spine)) == {}


def test_vectors_from_an_exported_history_are_those_from_postgres(tmp_path: Path) -> None:
    bitemporal.make(40)
    materialise.population(NOW)
    expected = dict(FeatureVector.objects.values_list("customer_id", "content"))
    export_parquet(tmp_path, NOW)
    FeatureVector.objects.all().delete()
    call_command("materialise", "--history", str(tmp_path))
    assert dict(FeatureVector.objects.values_list("customer_id", "content")) == expected


def test_an_export_that_broke_off_is_not_materialised_from(tmp_path: Path) -> None:
    bitemporal.make(5)
    export_parquet(tmp_path, NOW)
    (tmp_path / "as_of").unlink()
    with pytest.raises(CommandError, match="no finished export"):
        call_command("materialise", "--history", str(tmp_path))
    assert not FeatureVector.objects.exists()
