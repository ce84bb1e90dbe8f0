"""Evidence holds for the release that it was compared with and for no other, and so does a justification of it."""

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models

GUARDS = """
CREATE OR REPLACE FUNCTION candor_guard_verdict() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM offers_evidence e JOIN offers_changerequest c ON c.id = e.change_id
    LEFT JOIN offers_evidence j ON j.id = c.justified_evidence_id
    WHERE e.id = NEW.evidence_id AND e.verdict = 'fail'
      AND (c.justified_by_id IS NULL OR c.justified_by_id IN (c.author_id, c.checker_id) OR trim(c.justification) = ''
           OR j.id IS NULL OR (j.candidate_hash, j.base) IS DISTINCT FROM (e.candidate_hash, e.base));
  IF FOUND THEN
    RAISE EXCEPTION 'release % fails its evidence and no third person has justified it', NEW.number
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION candor_guard_base() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM offers_evidence e
    WHERE e.id = NEW.evidence_id AND coalesce(e.base, 0) <> NEW.number - 1;
  IF FOUND THEN
    RAISE EXCEPTION 'release % rests on evidence that was compared with another release', NEW.number
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_base BEFORE INSERT ON offers_release FOR EACH ROW EXECUTE FUNCTION candor_guard_base();
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("offers", "0006_catalogue_indexes"),
    ]

    operations: ClassVar = [
        migrations.AddField(
            model_name="changerequest",
            name="approved_on",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="changerequest",
            name="justified_evidence",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="offers.evidence"
            ),
        ),
        migrations.AddField(
            model_name="evidence",
            name="base",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
    ]
