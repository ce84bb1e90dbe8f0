"""What customers ask about decisions: never deleted, closed for good, and emptied of its words by an erasure alone."""

from typing import ClassVar

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

GUARDS = """
REVOKE DELETE ON fairness_customerrequest FROM candor_serving;

CREATE FUNCTION candor_guard_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'a request of a customer is never deleted' USING ERRCODE = 'restrict_violation';
  END IF;
  IF (NEW.kind, NEW.customer_id, NEW.decision_id, NEW.received_at, NEW.due_at, NEW.opened_by_id) IS DISTINCT FROM
     (OLD.kind, OLD.customer_id, OLD.decision_id, OLD.received_at, OLD.due_at, OLD.opened_by_id) THEN
    RAISE EXCEPTION 'what was asked, by whom and until when is fixed' USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.question <> OLD.question AND NOT (NEW.question = '' AND NEW.erased_at IS NOT NULL) THEN
    RAISE EXCEPTION 'what was asked is fixed' USING ERRCODE = 'restrict_violation';
  END IF;
  IF OLD.state IN ('answered', 'refused') AND (
       (NEW.state, NEW.assignee_id, NEW.answered_by_id, NEW.answered_at, NEW.decision_wrong, NEW.finding_id)
       IS DISTINCT FROM
       (OLD.state, OLD.assignee_id, OLD.answered_by_id, OLD.answered_at, OLD.decision_wrong, OLD.finding_id)
       OR (NEW.erased_at IS NULL AND (NEW.answer, NEW.remedy) IS DISTINCT FROM (OLD.answer, OLD.remedy))
       OR (NEW.answer, NEW.remedy) NOT IN ((OLD.answer, OLD.remedy), ('', ''))) THEN
    RAISE EXCEPTION 'a closed request stays as it is' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_request BEFORE UPDATE OR DELETE ON fairness_customerrequest
  FOR EACH ROW EXECUTE FUNCTION candor_guard_request();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON fairness_customerrequest
  FOR EACH STATEMENT EXECUTE FUNCTION candor_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("fairness", "0007_governance"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="CustomerRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("explanation", "explanation"),
                            ("correction", "correction"),
                            ("human_review", "human review"),
                        ],
                        max_length=12,
                    ),
                ),
                ("customer_id", models.BigIntegerField(db_index=True)),
                ("decision_id", models.UUIDField(null=True)),
                ("question", models.TextField()),
                ("received_at", models.DateTimeField()),
                ("due_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "open"),
                            ("in_progress", "in progress"),
                            ("answered", "answered"),
                            ("refused", "refused"),
                        ],
                        default="open",
                        max_length=11,
                    ),
                ),
                ("answer", models.TextField(blank=True)),
                ("answered_at", models.DateTimeField(null=True)),
                ("decision_wrong", models.BooleanField(null=True)),
                ("remedy", models.TextField(blank=True)),
                ("erased_at", models.DateTimeField(null=True)),
                (
                    "answered_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "assignee",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "finding",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="fairness.finding"
                    ),
                ),
                (
                    "opened_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "ordering": ["due_at", "id"],
                "indexes": [models.Index(fields=["state", "due_at"], name="fairness_cu_state_b23a2a_idx")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("due_at__gt", models.F("received_at"))), name="request_due_later"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("answered_at__isnull", True),
                                ("answered_by__isnull", True),
                                ("state__in", ("open", "in_progress")),
                            ),
                            models.Q(
                                ("answered_at__isnull", False),
                                ("answered_by__isnull", False),
                                ("state__in", ("answered", "refused")),
                                models.Q(
                                    models.Q(("answer", ""), _negated=True),
                                    ("erased_at__isnull", False),
                                    _connector="OR",
                                ),
                            ),
                            _connector="OR",
                        ),
                        name="request_closed_by_somebody",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("decision_wrong__isnull", False), ("kind", "human_review"), ("state", "answered")
                            ),
                            models.Q(
                                models.Q(("kind", "human_review"), ("state", "answered"), _negated=True),
                                ("decision_wrong__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="request_reviewed_by_a_person",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("decision_wrong", True), _negated=True),
                            ("finding__isnull", False),
                            _connector="OR",
                        ),
                        name="request_wrong_has_finding",
                    ),
                ],
            },
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
    ]
