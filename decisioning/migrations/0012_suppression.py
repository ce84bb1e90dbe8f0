"""Overrides for one customer: only with a reason, only by who may, ended by a second person or at their day; each raises
the sequence that decisions compare, and stays as it was written but for its end."""

from typing import Any, ClassVar

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q

REASONS = ("hardship", "vulnerable", "fraud", "complaint", "legal", "deceased", "data")

GUARDS = """
INSERT INTO offers_signingright (action, role) VALUES
  ('suppress:customer', 'risk_author'), ('suppress:customer', 'risk_approver'), ('suppress:customer', 'compliance'),
  ('lift:suppression', 'risk_approver'), ('lift:suppression', 'compliance');

CREATE FUNCTION candor_guard_suppression() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM candor_require_right(NEW.made_by_id, 'suppress:customer');
    IF NEW.ended_at IS NOT NULL OR NEW.ended_by_id IS NOT NULL THEN
      RAISE EXCEPTION 'a suppression is in force when it is made' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
  END IF;
  IF (to_jsonb(NEW) - 'ended_by_id' - 'ended_at') IS DISTINCT FROM (to_jsonb(OLD) - 'ended_by_id' - 'ended_at')
     OR OLD.ended_at IS NOT NULL OR NEW.ended_at IS NULL THEN
    RAISE EXCEPTION 'of a suppression nothing changes but its end, once' USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.ended_by_id IS NOT NULL THEN
    PERFORM candor_require_right(NEW.ended_by_id, 'lift:suppression');
  -- By the clock and not by the moment that is written: else one person ends it early with a date to come.
  ELSIF NEW.until IS NULL OR NEW.until > (now() AT TIME ZONE 'UTC')::date THEN
    RAISE EXCEPTION 'a suppression ends at its day, or by a second person' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_suppression BEFORE INSERT OR UPDATE ON decisioning_suppression
  FOR EACH ROW EXECUTE FUNCTION candor_guard_suppression();
CREATE TRIGGER no_delete BEFORE DELETE ON decisioning_suppression
  FOR EACH ROW EXECUTE FUNCTION candor_refuse_change();
REVOKE DELETE ON decisioning_suppression FROM candor_serving;

CREATE TRIGGER suppression_made AFTER INSERT ON decisioning_suppression REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION candor_contact_changed();
CREATE TRIGGER suppression_ended AFTER UPDATE ON decisioning_suppression REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION candor_contact_changed();
"""


def _person(*, null: bool) -> models.ForeignKey[Any, Any]:
    return models.ForeignKey(
        settings.AUTH_USER_MODEL, null=null, on_delete=django.db.models.deletion.PROTECT, related_name="+"
    )  # fmt: skip


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("decisioning", "0011_outcome_reason"),
        ("offers", "0009_signatures"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="Suppression",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("customer_id", models.BigIntegerField(db_index=True)),
                ("offer", models.CharField(blank=True, max_length=120)),
                (
                    "reason_code",
                    models.CharField(
                        max_length=20,
                        choices=[
                            ("hardship", "financial hardship"),
                            ("vulnerable", "a vulnerable customer"),
                            ("fraud", "suspected fraud or a taken-over account"),
                            ("complaint", "an open complaint or dispute"),
                            ("legal", "insolvency, a court or a regulator"),
                            ("deceased", "deceased, or an estate"),
                            ("data", "data that is known to be wrong"),
                        ],
                    ),
                ),
                ("note", models.TextField()),
                ("made_at", models.DateTimeField()),
                ("until", models.DateField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("made_by", _person(null=False)),
                ("ended_by", _person(null=True)),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        name="suppressed_for_a_reason", condition=Q(reason_code__in=REASONS, note__regex=r"\S")
                    ),
                    models.CheckConstraint(
                        name="suppression_ended_by_another",
                        condition=Q(ended_by__isnull=True) | ~Q(ended_by=F("made_by")),
                    ),
                    models.UniqueConstraint(
                        name="one_open_suppression",
                        fields=["customer_id", "offer"],
                        condition=Q(ended_at__isnull=True),
                    ),
                ],
            },
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
    ]
