"""What a policy pack asks to be kept is dropped by nobody before its months are over, also not by whoever writes SQL."""

from typing import ClassVar

from django.db import migrations

# Of every pack of the live release, whatever its dates: a pack that has ended rules what was recorded under it. 37 months
# where there is none: 15 USC 1681m(d)(3) with a month to spare.
RETENTION = """
CREATE FUNCTION candor_retention_months() RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT greatest(37, max(kept.value::int)) FROM (SELECT content FROM offers_release ORDER BY number DESC LIMIT 1) live,
    jsonb_each(coalesce(live.content->'pack', '{}')) AS pack, jsonb_each_text(pack.value->'retention') AS kept
$$;

ALTER FUNCTION candor_retire_partitions(date) RENAME TO candor_drop_partitions;
REVOKE ALL ON FUNCTION candor_drop_partitions(date) FROM PUBLIC, candor_serving;
CREATE FUNCTION candor_retire_partitions(keep_from date) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF keep_from > date_trunc('month', current_date) - make_interval(months => candor_retention_months()) THEN
    RAISE EXCEPTION 'the policy packs keep records for % months: % refused', candor_retention_months(),
      keep_from USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN QUERY SELECT candor_drop_partitions(keep_from);
END $$;
REVOKE ALL ON FUNCTION candor_retire_partitions(date), candor_retention_months() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION candor_retire_partitions(date), candor_retention_months() TO candor_serving;
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("fairness", "0010_proxy_information"), ("offers", "0008_policy_packs")]

    operations: ClassVar = [migrations.RunSQL(RETENTION, migrations.RunSQL.noop)]
