"""History written to Parquet, and what a process loads that only serves."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.management import call_command

from decisioning.features import export
from decisioning.features.engines import folder
from decisioning.features.sources import TABLES
from decisioning.models import FeatureRow, Transaction
from tests.decisioning import bitemporal
from tests.factories import NOW


@pytest.mark.django_db
def test_an_export_holds_what_was_known_sorted_by_customer_and_may_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = bitemporal.make(12)
    monkeypatch.setattr(export, "CUSTOMERS", 5)
    then = NOW - timedelta(days=20)
    rows = export.export_parquet(tmp_path, then)
    assert rows["transactions"] == Transaction.objects.filter(known_at__lte=then).count()
    assert rows["given_credit_risk"] == FeatureRow.objects.filter(group="credit_risk", known_at__lte=then).count()
    files = folder.files(tmp_path, "transactions")
    assert len(files) == len({customer // 5 for customer in ids})
    customers = pa.concat_tables(pq.read_table(file) for file in files)["customer_id"].to_pylist()
    assert (customers, len(customers)) == (sorted(customers), rows["transactions"])
    assert export.export_parquet(tmp_path, then) == rows
    assert folder.files(tmp_path, "transactions") == files


@pytest.mark.django_db
def test_the_command_writes_every_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bitemporal.make(3)
    call_command("export_history", str(tmp_path))
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == set(TABLES)
    assert f"transactions: {Transaction.objects.count():,} rows" in capsys.readouterr().out


def test_a_process_that_serves_decisions_loads_no_engine_and_no_expression() -> None:
    loads = (
        "import django, sys; django.setup(); import console.urls, decisioning.features.history; "
        "print({'ibis', 'duckdb', 'pyspark'} & sys.modules.keys())"
    )
    assert subprocess.check_output([sys.executable, "-c", loads], text=True).strip() == "set()"
