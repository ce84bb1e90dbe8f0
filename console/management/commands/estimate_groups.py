"""`manage.py estimate_groups`: race or gender where nobody recorded it, from a bank's own tables, into the vault; names
and places are read, used once and kept nowhere."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

import numpy as np
import pandas as pd
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from decisioning.models import Customer
from fairness import surname_proxy, vault
from offers import audit, packs, snapshot
from offers.pack_schema import PROXIES


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("people", help="CSV: customer, name, place; customer is the bank's own id")
        parser.add_argument("--names", required=True, help="CSV: name, then p(group | name) in a column for each group")
        parser.add_argument("--places", required=True, help="CSV: place, then p(group | place)")
        parser.add_argument("--base", required=True, help="CSV of one row: p(group) of whom both tables are")
        parser.add_argument("--attribute", choices=PROXIES, default="race")
        parser.add_argument("--table-version", required=True)
        parser.add_argument("--vintage", required=True, help="of the census behind the tables")

    def handle(self, *args: Any, **options: Any) -> None:
        now, attribute = timezone.now(), options["attribute"]
        live = snapshot.live_row()
        in_force = packs.in_force(live.content if live else {}, now.date())
        if not any(attribute in pack.proxies for pack in in_force):
            raise CommandError(f"no policy pack in force allows that {attribute} is estimated")
        people = pd.read_csv(options["people"], dtype=str)
        base = pd.read_csv(options["base"])
        groups = [str(name) for name in base.columns]
        by_name = self._looked_up(options["names"], "name", people["name"].str.strip().str.upper(), groups)
        of_place = self._looked_up(options["places"], "place", people["place"].str.strip(), groups)
        found = surname_proxy.posterior(by_name, of_place, base.iloc[0].to_numpy(np.float64))
        known = dict(Customer.objects.filter(external_id__in=list(people["customer"])).values_list("external_id", "pk"))
        places = [place for place, name in enumerate(people["customer"]) if name in known]
        count = vault.write_estimates(
            attribute, groups, [known[people["customer"].iloc[place]] for place in places], found[places],
            method=vault.Method("BISG", options["table_version"], options["vintage"]), now=now,
        )  # fmt: skip
        audit.record(
            actor="estimate_groups", action="vault.estimated", subject=attribute,
            detail={"customers": count, "version": options["table_version"], "vintage": options["vintage"]}, now=now,
        )  # fmt: skip
        self.stdout.write(f"{count:,} customers estimated as probabilities, {len(people) - count:,} left out.")

    def _looked_up(self, path: str, key: str, wanted: Any, groups: list[str]) -> surname_proxy.Floats:
        """The row of each person in a table (N, groups), NaN where it has none."""
        table = pd.read_csv(path, dtype={key: str})
        missing = [name for name in (key, *groups) if name not in table.columns]
        if missing:
            raise CommandError(f"{path} has no column {', '.join(missing)}")
        keys = table[key].str.strip()
        table.index = pd.Index(keys.str.upper() if key == "name" else keys)
        return np.asarray(table.loc[~table.index.duplicated(), groups].reindex(wanted), dtype=np.float64)
