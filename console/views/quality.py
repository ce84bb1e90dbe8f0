"""Data quality: what fails now and since when, then every expectation by source with its last runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse

from console.access import SignedInRequest, allowed
from console.templatetags.console import percent
from decisioning.ingest.loading import KIND
from decisioning.models import Job, QualityCheck
from decisioning.quality import history, results
from decisioning.quality.history import Key, Run


@allowed("see:quality")
def index(request: SignedInRequest) -> HttpResponse:
    runs = history.runs()
    checks = [_check(row, runs) for row in results.latest()]
    failing = sorted((row for row in checks if not row["passed"]), key=lambda row: row["since"])
    return render(
        request,
        "quality/list.html",
        {
            "failing": failing,
            "sources": [
                {"summary": summary, "checks": [row for row in checks if row["source"] == summary.source]}
                for summary in results.sources()
            ],
            "expectations": len(checks),
            "loading": _loading(),
        },
    )


def _loading() -> dict[str, Any] | None:
    """The load that runs now."""
    job = Job.objects.filter(kind=KIND, status=Job.Status.RUNNING).first()
    return {"mapping": job.argument.get("mapping", ""), "done": job.done, "started_at": job.started_at} if job else None


def _check(row: QualityCheck, runs: Mapping[Key, tuple[Run, ...]]) -> dict[str, Any]:
    last = runs.get((row.source, row.subject, row.column, row.expectation), ())
    failed = [run for run in last if not run.passed]
    return {
        "source": row.source,
        "subject": row.subject,
        "column": row.column,
        "text": row.expectation,
        "passed": row.passed,
        "rows": row.rows,
        "failed": row.failed,
        "share": row.failed / row.rows if row.rows else 0.0,
        "since": row.failing_since,
        "examples": [_example(example) for example in row.examples],
        "runs": [(run.share, run.passed) for run in last],
        "runs_in_words": f"{len(failed)} of the last {len(last)} runs failed; failed shares, the oldest first: "
        + ", ".join(percent(run.share) for run in last),
    }


def _example(example: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a file, or a customer by surrogate key, with the page that leads to."""
    if "customer" in example:
        return {
            "text": f"customer {example['customer']}",
            "href": reverse("customer_by_key", args=[example["customer"]]),
        }
    return {"text": f"{example['file']}, row {example['row']}" if "row" in example else str(dict(example)), "href": ""}
