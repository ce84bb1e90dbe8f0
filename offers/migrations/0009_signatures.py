"""Two more signatures on a change (what else was considered, and why too little data is enough), and stops that a policy
makes without a person."""

from typing import ClassVar

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q

# A stop without a person restricts, and so takes nobody's right; to resume it does.
GUARDS = """
CREATE OR REPLACE FUNCTION candor_guard_officer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' AND NEW.stopped_by_id IS NOT NULL THEN
    PERFORM candor_require_right(NEW.stopped_by_id, 'stop');
  END IF;
  IF NEW.resumed_by_id IS NOT NULL OR NEW.resumed_at IS NOT NULL THEN
    PERFORM candor_require_right(NEW.resumed_by_id, 'resume');
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION candor_guard_little_data() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM offers_evidence e JOIN offers_changerequest c ON c.id = e.change_id
    WHERE e.id = NEW.evidence_id AND coalesce((e.content->>'unclear')::int, 0) > 0 AND trim(c.little_data_because) = '';
  IF FOUND THEN
    RAISE EXCEPTION 'release % rests on too little data and its checker has not signed for that', NEW.number
      USING ERRCODE = 'restrict_violation';
  END IF;
  PERFORM 1 FROM offers_evidence e JOIN offers_changerequest c ON c.id = e.change_id
    WHERE e.id = NEW.evidence_id AND e.verdict = 'fail' AND trim(c.alternatives_considered) = '';
  IF FOUND THEN
    RAISE EXCEPTION 'release % fails its evidence and its justification names no alternatives', NEW.number
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_little_data BEFORE INSERT ON offers_release FOR EACH ROW
  EXECUTE FUNCTION candor_guard_little_data();

INSERT INTO offers_signingright (action, role) VALUES ('close:findings', 'compliance');
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("offers", "0008_policy_packs"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations: ClassVar = [
        migrations.AddField("changerequest", "alternatives_considered", models.TextField(blank=True, default="")),
        migrations.AddField("changerequest", "little_data_because", models.TextField(blank=True, default="")),
        migrations.AlterField("changerequest", "alternatives_considered", models.TextField(blank=True)),
        migrations.AlterField("changerequest", "little_data_because", models.TextField(blank=True)),
        migrations.AlterField(
            "stop",
            "stopped_by",
            models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.RemoveConstraint("stop", "resumed_by_a_second_person"),
        migrations.AddConstraint(
            "stop",
            models.CheckConstraint(
                name="resumed_by_a_second_person",
                condition=Q(resumed_by__isnull=True) | Q(stopped_by__isnull=True) | ~Q(resumed_by=F("stopped_by")),
            ),
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
    ]
