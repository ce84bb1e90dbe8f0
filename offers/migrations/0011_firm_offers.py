"""Lists of firm offers: by what each was pulled, frozen for as long as it is honoured, also for whoever writes SQL."""

from typing import ClassVar

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

GUARDS = """
CALL candor_make_append_only('offers_firmoffer');
REVOKE UPDATE, DELETE ON offers_firmoffer FROM candor_serving;
INSERT INTO offers_signingright (action, role) VALUES ('pull:list', 'risk_approver'), ('pull:list', 'compliance');

-- What offers.firm_offers.criteria says of a content.
CREATE FUNCTION candor_firm_criteria(content jsonb, offer text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object(
    'terms', (SELECT jsonb_object_agg(name, content->'offer'->offer->name)
      FROM unnest(ARRAY['facts', 'legal_basis', 'product', 'channels', 'placements', 'starts_at', 'ends_at']) AS name),
    'rules', coalesce((SELECT jsonb_object_agg(rule.key, (SELECT jsonb_object_agg(name, rule.value->name)
        FROM unnest(ARRAY['when', 'jurisdiction', 'starts_at', 'ends_at', 'reason_code']) AS name))
      FROM jsonb_each(content->'rule') AS rule
      WHERE rule.value->>'scope' = 'all' OR (rule.value->>'scope' = 'offer' AND rule.value->>'target' = offer)
        OR (rule.value->>'scope' = 'product' AND rule.value->>'target' = content->'offer'->offer->>'product')), '{}'),
    'boosts', coalesce((SELECT jsonb_object_agg(boost.key, (SELECT jsonb_object_agg(name, boost.value->name)
        FROM unnest(ARRAY['when', 'factor', 'starts_at', 'ends_at']) AS name))
      FROM jsonb_each(content->'boost') AS boost
      WHERE (boost.value->>'scope' = 'all' OR (boost.value->>'scope' = 'offer' AND boost.value->>'target' = offer)
        OR (boost.value->>'scope' = 'product' AND boost.value->>'target' = content->'offer'->offer->>'product'))
        AND EXISTS (SELECT 1 FROM jsonb_path_query(boost.value->'when', '$.**.attribute') AS read
          WHERE read #>> '{}' IN ('competitor_inquiry_30d', 'credit_rating', 'credit_score', 'credit_score_band',
                                  'risk_points', 'risk_profile'))), '{}'))
$$;

-- The lock of offers.snapshot: whoever publishes and whoever pulls a list see each other.
CREATE FUNCTION candor_lock_release() RETURNS void LANGUAGE sql AS $$
  SELECT pg_advisory_xact_lock(x'72656C65617365'::bigint)
$$;

CREATE FUNCTION candor_guard_firm_offer() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE live offers_release;
BEGIN
  PERFORM candor_require_right(NEW.made_by_id, 'pull:list');
  PERFORM candor_lock_release();
  SELECT * INTO live FROM offers_release ORDER BY number DESC LIMIT 1;
  IF NEW.release_id <> live.number OR NEW.criteria <> candor_firm_criteria(live.content, NEW.offer)
     OR NEW.criteria->'terms'->>'legal_basis' IS DISTINCT FROM 'firm_offer' THEN
    RAISE EXCEPTION 'these are not the criteria of a live firm offer %', NEW.offer USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_firm_offer BEFORE INSERT ON offers_firmoffer FOR EACH ROW
  EXECUTE FUNCTION candor_guard_firm_offer();

-- A list counts as soon as it is there, though published_at was read before the lock was had; and a release is of today,
-- however far ahead it is dated.
CREATE FUNCTION candor_keep_firm_offers() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE made offers_firmoffer;
BEGIN
  PERFORM candor_lock_release();
  FOR made IN SELECT * FROM offers_firmoffer f WHERE f.honoured_until > least(NEW.published_at, now())
  LOOP
    IF made.criteria <> candor_firm_criteria(NEW.content, made.offer) THEN
      RAISE EXCEPTION 'the firm offer % stands as it was made until %', made.offer, made.honoured_until
        USING ERRCODE = 'restrict_violation';
    END IF;
  END LOOP;
  RETURN NEW;
END $$;
CREATE TRIGGER keep_firm_offers BEFORE INSERT ON offers_release FOR EACH ROW
  EXECUTE FUNCTION candor_keep_firm_offers();
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("offers", "0010_roles_apart"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="FirmOffer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("offer", models.CharField(db_index=True, max_length=120)),
                ("campaign", models.CharField(max_length=120)),
                ("criteria", models.JSONField()),
                ("sha256", models.CharField(max_length=64)),
                ("basis", models.CharField(max_length=200)),
                ("made_at", models.DateTimeField()),
                ("honoured_until", models.DateTimeField(db_index=True)),
                (
                    "made_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "release",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="offers.release"
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("honoured_until__gt", models.F("made_at"))),
                        name="honoured_after_it_was_made",
                    )
                ],
            },
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
    ]
