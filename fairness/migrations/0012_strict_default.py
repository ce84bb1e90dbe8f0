"""What the strict default, the versions of the inventory and its declared defaults ask for, also of whoever writes SQL."""

from typing import ClassVar

from django.db import migrations

# As offers.packs.in_force: the strict default, which forbids both, joins unless one pack covers the whole of the US.
STRICT = """
CREATE OR REPLACE FUNCTION candor_group_use(packs jsonb, mitigation text, on_day date) RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT coalesce(
    bool_and(coalesce(p.value->'mitigations'->>mitigation, 'forbidden') <> 'forbidden')
    AND bool_or(
      coalesce(jsonb_array_length(p.value->'place'->'states'), 0) = 0
      AND (coalesce(jsonb_array_length(p.value->'place'->'countries'), 0) = 0
           OR p.value->'place'->'countries' @> '["US"]')), false)
  FROM jsonb_each(coalesce(packs, '{}'::jsonb)) p
  WHERE (p.value->>'effective_from')::date <= on_day
    AND coalesce((p.value->>'effective_until')::date > on_day, true)
$$;
"""

# A gap between versions would hide the version that a lighter tier is measured against.
VERSIONS = """
CREATE OR REPLACE FUNCTION candor_guard_developer() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE before fairness_modelrecord;
BEGIN
  PERFORM 1 FROM fairness_modelvalidation v
    WHERE v.model = NEW.model AND NEW.developer_id IN (v.validator_id, v.countersigned_by_id);
  IF FOUND THEN
    RAISE EXCEPTION 'user % validated % and so is not its developer', NEW.developer_id, NEW.model
      USING ERRCODE = 'restrict_violation';
  END IF;
  SELECT * INTO before FROM fairness_modelrecord WHERE model = NEW.model ORDER BY version DESC LIMIT 1;
  IF NEW.version <> coalesce(before.version, 0) + 1 THEN
    RAISE EXCEPTION 'version % of % does not follow version %', NEW.version, NEW.model, coalesce(before.version, 0)
      USING ERRCODE = 'restrict_violation';
  END IF;
  -- A tier of less weight asks for less: that is said by model risk.
  IF before.tier < NEW.tier THEN
    PERFORM candor_require_right(NEW.author_id, 'validate:models');
  END IF;
  RETURN NEW;
END $$;
"""

# A model of tier 1 does not go live on texts that nobody of the bank has written; as fairness.governance.readiness has it.
DOCUMENTED = """
CREATE OR REPLACE FUNCTION candor_guard_documented() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE found_record fairness_modelrecord; champion text; blank text;
BEGIN
  FOR champion IN SELECT jsonb_object_keys(coalesce(NEW.content->'model', '{}')) LOOP
    CONTINUE WHEN EXISTS (
      SELECT 1 FROM offers_release r WHERE r.number = NEW.number - 1
        AND r.content->'model'->champion = NEW.content->'model'->champion);
    SELECT * INTO found_record FROM fairness_modelrecord WHERE model = champion ORDER BY version DESC LIMIT 1;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'model % is not in the inventory', champion USING ERRCODE = 'restrict_violation';
    END IF;
    SELECT field INTO blank FROM unnest('{owner,developed_by,business_user,purpose_class,purpose,intended_use,restrictions,limitations,upstream,downstream,vendor,monitoring_plan,ai_act_class,ecoa_relevance,retirement_plan}'::text[]) AS field
      WHERE trim(coalesce(found_record.content->>field, '')) = ''
         OR (found_record.tier = 1 AND starts_with(found_record.content->>field, 'Declared default: ')) LIMIT 1;
    IF FOUND THEN
      RAISE EXCEPTION 'the inventory of % leaves % blank', champion, blank USING ERRCODE = 'restrict_violation';
    END IF;
    PERFORM 1 FROM fairness_modelvalidation v WHERE v.model = champion AND v.signed_at IS NOT NULL
      AND v.countersigned_by_id IS NOT NULL AND v.valid_until > NEW.published_at::date
      AND v.id = (SELECT max(id) FROM fairness_modelvalidation WHERE model = champion AND signed_at IS NOT NULL)
      AND v.conclusion IN ('approved', 'conditions');
    IF found_record.tier = 1 AND NOT FOUND THEN
      RAISE EXCEPTION 'model % is of tier 1 and has no approved validation', champion
        USING ERRCODE = 'restrict_violation';
    END IF;
  END LOOP;
  RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("fairness", "0011_retention")]

    operations: ClassVar = [migrations.RunSQL(sql, migrations.RunSQL.noop) for sql in (STRICT, VERSIONS, DOCUMENTED)]
