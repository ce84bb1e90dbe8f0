"""Legal holds, which a purge spares whoever starts it; and no model takes another's place without its search for less
discriminatory alternatives, also not for whoever writes SQL."""

from typing import Any, ClassVar

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q

# One officer places a hold, another ends it; both stay as they were written.
HOLDS = """
CALL candor_make_append_only('fairness_legalhold');
CALL candor_make_append_only('fairness_holdend');
REVOKE UPDATE, DELETE ON fairness_legalhold, fairness_holdend FROM candor_serving;
INSERT INTO offers_signingright (action, role) VALUES ('hold:records', 'compliance');

CREATE FUNCTION candor_guard_hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM candor_require_right(NEW.placed_by_id, 'hold:records');
  RETURN NEW;
END $$;
CREATE TRIGGER guard_hold BEFORE INSERT ON fairness_legalhold FOR EACH ROW EXECUTE FUNCTION candor_guard_hold();

CREATE FUNCTION candor_guard_hold_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM candor_require_right(NEW.ended_by_id, 'hold:records');
  IF EXISTS (SELECT 1 FROM fairness_legalhold h WHERE h.id = NEW.hold_id AND h.placed_by_id = NEW.ended_by_id) THEN
    RAISE EXCEPTION 'user % placed hold % and so does not end it', NEW.ended_by_id, NEW.hold_id
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_hold_end BEFORE INSERT ON fairness_holdend FOR EACH ROW EXECUTE FUNCTION candor_guard_hold_end();
"""

# A month is kept whole: with everything where a period is held, with every decision and outcome where an offer is, and
# where a customer is held, if there is a row of hers in it.
PURGE = """
CREATE FUNCTION candor_is_held(base text, child text) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE month date := to_date(right(child, 6), 'YYYYMM'); hold fairness_legalhold; found boolean;
BEGIN
  FOR hold IN SELECT * FROM fairness_legalhold h
    WHERE NOT EXISTS (SELECT 1 FROM fairness_holdend e WHERE e.hold_id = h.id)
      AND (h.first_day IS NULL OR h.first_day < month + interval '1 month') AND (h.last_day IS NULL OR h.last_day >= month)
  LOOP
    IF hold.scope = 'period' OR (hold.scope = 'offer' AND base IN ('decision', 'outcome')) THEN
      RETURN true;
    ELSIF hold.scope = 'customer' THEN
      EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I WHERE customer_id = $1)', child) INTO found USING hold.customer_id;
      IF found THEN
        RETURN true;
      END IF;
    END IF;
  END LOOP;
  RETURN false;
END $$;

CREATE OR REPLACE FUNCTION candor_drop_partitions(keep_from date) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  base text; child text; loaded boolean;
BEGIN
  IF keep_from > current_date - interval '13 months' THEN
    RAISE EXCEPTION 'retention keeps at least 13 months: % refused', keep_from USING ERRCODE = 'restrict_violation';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('candor partitions'));
  FOREACH base IN ARRAY ARRAY['transaction', 'signal', 'decision', 'outcome'] LOOP
    FOR child IN
      SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = ('decisioning_' || base)::regclass
          AND right(c.relname, 6) ~ '^[0-9]{6}$'
          AND to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month' <= keep_from
        ORDER BY 1
    LOOP
      CONTINUE WHEN candor_is_held(base, child);
      IF base = 'transaction' THEN
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I WHERE source <> %L)', child, '') INTO loaded;
        CONTINUE WHEN loaded;
      END IF;
      EXECUTE format('DROP TABLE %I', child);
      RETURN NEXT child;
    END LOOP;
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION candor_is_held(text, text) FROM PUBLIC;
"""

# As fairness.alternatives.record.missing and fairness.gate have it. The strict default waives no search.
SEARCHES = """
CREATE FUNCTION candor_search_waivable(packs jsonb, on_day date) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT coalesce(
    bool_and(p.value->>'lda' <> 'required')
    AND bool_or(
      coalesce(jsonb_array_length(p.value->'place'->'states'), 0) = 0
      AND (coalesce(jsonb_array_length(p.value->'place'->'countries'), 0) = 0
           OR p.value->'place'->'countries' @> '["US"]')), false)
  FROM jsonb_each(coalesce(packs, '{}'::jsonb)) p
  WHERE (p.value->>'effective_from')::date <= on_day
    AND coalesce((p.value->>'effective_until')::date > on_day, true)
$$;

CREATE FUNCTION candor_require_search() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE before offers_release; champion text; good_from timestamptz := NEW.published_at - interval '365 days';
BEGIN
  SELECT * INTO before FROM offers_release WHERE number < NEW.number ORDER BY number DESC LIMIT 1;
  -- The first champion ever has nothing to be an alternative to, and going back is no new choice.
  IF NOT EXISTS (SELECT 1 FROM offers_release r WHERE r.content->'model' <> '{}'::jsonb)
     OR EXISTS (SELECT 1 FROM offers_changerequest c WHERE c.id = NEW.change_id AND c.kind = 'rollback') THEN
    RETURN NEW;
  END IF;
  FOR champion IN SELECT jsonb_object_keys(coalesce(NEW.content->'model', '{}')) LOOP
    CONTINUE WHEN before.content->'model'->champion = NEW.content->'model'->champion;
    CONTINUE WHEN EXISTS (
      SELECT 1 FROM fairness_searchsignature s
        JOIN fairness_search search ON search.id = s.search_id AND search.kind = 'model'
        JOIN fairness_searchrun run ON run.search_id = search.id
        JOIN fairness_decisionmemo memo ON memo.run_id = run.id
      WHERE s.purpose = 'memo' AND s.signed_at >= good_from
        AND ((memo.verdict = 'adopt' AND memo.model_name = champion)
             OR (memo.verdict = 'keep' AND search.subject = champion)));
    CONTINUE WHEN candor_search_waivable(before.content->'pack', NEW.published_at::date) AND EXISTS (
      SELECT 1 FROM fairness_searchwaiver w
      WHERE w.model_name = champion AND w.given_at BETWEEN good_from AND NEW.published_at);
    RAISE EXCEPTION 'model % has no signed search for less discriminatory alternatives, and no waiver that counts',
      champion USING ERRCODE = 'restrict_violation';
  END LOOP;
  RETURN NEW;
END $$;
CREATE TRIGGER require_search BEFORE INSERT ON offers_release FOR EACH ROW EXECUTE FUNCTION candor_require_search();
"""

_PERSON: dict[str, Any] = {
    "on_delete": django.db.models.deletion.PROTECT,
    "related_name": "+",
    "to": settings.AUTH_USER_MODEL,
}


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("fairness", "0014_month_figures"),
        ("offers", "0011_firm_offers"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="LegalHold",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "scope",
                    models.CharField(
                        choices=[("customer", "one customer"), ("offer", "one offer"), ("period", "a period")],
                        max_length=10,
                    ),
                ),
                ("customer_id", models.BigIntegerField(null=True)),
                ("offer", models.CharField(blank=True, max_length=120)),
                ("first_day", models.DateField(null=True)),
                ("last_day", models.DateField(null=True)),
                ("reason", models.TextField()),
                ("placed_at", models.DateTimeField()),
                ("placed_by", models.ForeignKey(**_PERSON)),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        name="a_hold_names_what_it_holds",
                        condition=Q(scope="customer", customer_id__isnull=False, offer="")
                        | (Q(scope="offer", customer_id__isnull=True) & ~Q(offer=""))
                        | Q(scope="period", customer_id__isnull=True, offer="", first_day__isnull=False),
                    ),
                    models.CheckConstraint(
                        name="a_hold_ends_after_it_begins",
                        condition=Q(first_day__isnull=True)
                        | Q(last_day__isnull=True)
                        | Q(last_day__gte=F("first_day")),
                    ),
                    models.CheckConstraint(name="a_hold_says_why", condition=Q(reason__regex="\\S")),
                ],
            },
        ),
        migrations.CreateModel(
            name="HoldEnd",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("reason", models.TextField()),
                ("ended_at", models.DateTimeField()),
                ("ended_by", models.ForeignKey(**_PERSON)),
                (
                    "hold",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="end", to="fairness.legalhold"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(name="ending_a_hold_says_why", condition=Q(reason__regex="\\S"))
                ],
            },
        ),
        *(migrations.RunSQL(sql, migrations.RunSQL.noop) for sql in (HOLDS, PURGE, SEARCHES)),
    ]
