"""`manage.py backtest`: what the cascade would have earned on a bank's logged campaign; opens no connection."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from decisioning.backtest import backtest, read_campaign, split
from decisioning.bandit.off_policy import NoOverlap
from decisioning.ingest.files import UnreadableSource
from decisioning.ingest.mapping import InvalidMapping, load_mapping
from decisioning.propensity.training import TooFewExamples
from offers.catalog import InvalidContent


class Command(BaseCommand):
    help = "Train on one logged campaign and report on another, beside a plain model. Touches no live table."

    requires_system_checks = []  # it reads no page and no table

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("mapping", help="a shipped mapping, or the path of a TOML file")
        parser.add_argument("train", type=Path, metavar="TRAIN_FOLDER")
        parser.add_argument("--test", type=Path, metavar="TEST_FOLDER", help="a campaign of the same shape to test on")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            mapping = load_mapping(options["mapping"])
            campaign = read_campaign(mapping, options["train"])
            rejected = campaign.rejected
            if options["test"]:
                test = read_campaign(mapping, options["test"])
                rejected += test.rejected
                report = backtest(mapping, campaign.rows, test.rows)
            else:
                report = backtest(mapping, *split(mapping, campaign))
        except (InvalidMapping, UnreadableSource, TooFewExamples, InvalidContent, NoOverlap) as fault:
            raise CommandError(str(fault)) from fault
        report["rejected"] = rejected
        self.stdout.write(json.dumps(report, indent=2) if options["json"] else as_text(report))


def as_text(report: dict[str, Any]) -> str:
    """The report as a table for a terminal."""
    lines = [
        f"{report['mapping']}: trained on {report['train_rows']} rows, tested on {report['rows']} "
        f"({report['positives']} accepted), {report['rejected']} rows rejected",
        "",
        f"{'':24}{'AUC':>8}{'Brier':>9}{'log loss':>10}{'slope':>8}",
    ]
    for name, measured in (("propensity", report), ("plain LightGBM", report["plain"])):
        lines.append(
            f"{name:24}{measured['auc']:8.4f}{measured['brier']:9.5f}{measured['log_loss']:10.5f}"
            f"{measured['calibration_slope']:8.3f}"
        )
    lines += ["", f"{'policy':24}{'value':>8}{'s.e.':>9}   95 % interval      (self-normalised)"]
    for policy in report["policies"]:
        low, high = policy["interval"]
        lines.append(
            f"{policy['name']:24}{policy['value']:8.4f}{policy['standard_error']:9.4f}   {low:.4f} to {high:.4f}"
        )
    lines += ["", "The cascade samples (Thompson): its value weighs each row with its exact action probability."]
    return "\n".join(lines)
