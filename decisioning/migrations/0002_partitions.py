"""The partitioned tables, the functions that create and retire their partitions, and the append-only guards."""

from typing import ClassVar

from django.db import migrations

TABLES = """
CREATE TABLE decisioning_transaction (
  customer_id bigint NOT NULL,
  transaction_key varchar(64) NOT NULL,
  account_key varchar(64) NOT NULL,
  occurred_at timestamptz NOT NULL,
  known_at timestamptz NOT NULL,
  amount double precision NOT NULL,
  category varchar(40) NOT NULL,
  source varchar(30) NOT NULL,
  PRIMARY KEY (customer_id, transaction_key, occurred_at)
) PARTITION BY RANGE (occurred_at);

CREATE TABLE decisioning_signal (
  customer_id bigint NOT NULL,
  event_id varchar(64) NOT NULL,
  type varchar(30) NOT NULL,
  occurred_at timestamptz NOT NULL,
  known_at timestamptz NOT NULL,
  payload jsonb NOT NULL,
  PRIMARY KEY (customer_id, event_id, occurred_at)
) PARTITION BY RANGE (occurred_at);
CREATE INDEX decisioning_signal_recent ON decisioning_signal (customer_id, occurred_at);

CREATE TABLE decisioning_decision (
  id uuid NOT NULL,
  customer_id bigint NOT NULL,
  session varchar(32) NOT NULL,
  channel varchar(20) NOT NULL,
  placement varchar(60) NOT NULL,
  made_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  reason varchar(30),
  offer varchar(120),
  arm varchar(120),
  action_probability double precision,
  release integer NOT NULL,
  model varchar(60) NOT NULL,
  posterior bigint NOT NULL,
  degraded varchar(40)[] NOT NULL,
  inputs bytea NOT NULL,
  result bytea NOT NULL,
  digest bytea NOT NULL,
  took_us integer NOT NULL,
  PRIMARY KEY (customer_id, id),
  CONSTRAINT a_choice_has_its_action_probability CHECK (
    (reason IS NOT NULL AND arm IS NULL) OR
    (reason IS NULL AND arm IS NOT NULL AND action_probability > 0 AND action_probability <= 1))
) PARTITION BY RANGE (id);
CREATE INDEX decisioning_decision_id ON decisioning_decision (id);
-- Out of line and not compressed: doubles do not compress, and trying costs a fifth of the insert.
ALTER TABLE decisioning_decision ALTER COLUMN result SET STORAGE EXTERNAL;

CREATE TABLE decisioning_outcome (
  customer_id bigint NOT NULL,
  event_id varchar(64) NOT NULL,
  decision_id uuid NOT NULL,
  offer varchar(120) NOT NULL,
  arm varchar(120) NOT NULL,
  type varchar(20) NOT NULL,
  occurred_at timestamptz NOT NULL,
  known_at timestamptz NOT NULL,
  value double precision,
  PRIMARY KEY (customer_id, event_id, occurred_at)
) PARTITION BY RANGE (occurred_at);
CREATE INDEX decisioning_outcome_decision ON decisioning_outcome (customer_id, decision_id);
"""

# Partitions are months in UTC. A decision's month is that of its UUIDv7, whose first 48 bits are milliseconds since 1970.
PARTITIONS = """
CREATE FUNCTION candor_uuid_bound(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

CREATE FUNCTION candor_ensure_partitions(first date, last date, tables text[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  month date; lower_at timestamptz; upper_at timestamptz; base text; child text; made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('candor partitions'));
  FOR month IN SELECT generate_series(date_trunc('month', first), last, interval '1 month')::date LOOP
    lower_at := month::timestamp AT TIME ZONE 'UTC';
    upper_at := (month + interval '1 month')::timestamp AT TIME ZONE 'UTC';
    FOREACH base IN ARRAY tables LOOP
      IF base NOT IN ('transaction', 'signal', 'decision', 'outcome') THEN
        RAISE EXCEPTION 'no partitioned table %', base;
      END IF;
      child := format('decisioning_%s_%s', base, to_char(month, 'YYYYMM'));
      CONTINUE WHEN to_regclass(child) IS NOT NULL;
      IF base = 'decision' THEN
        EXECUTE format('CREATE TABLE %I PARTITION OF decisioning_decision FOR VALUES FROM (%L) TO (%L)',
                       child, candor_uuid_bound(lower_at), candor_uuid_bound(upper_at));
      ELSE
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                       child, 'decisioning_' || base, lower_at, upper_at);
      END IF;
      IF base IN ('decision', 'outcome') THEN
        EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON %I
                        FOR EACH STATEMENT EXECUTE FUNCTION candor_refuse_change()', child);
        EXECUTE format('REVOKE UPDATE, DELETE ON %I FROM candor_serving', child);
      END IF;
      made := made + 1;
    END LOOP;
  END LOOP;
  RETURN made;
END $$;

-- Drops whole months that end before `keep_from`, and never the last thirteen months. Transactions that a bank loaded
-- from its own history (source not empty) are spared.
CREATE FUNCTION candor_retire_partitions(keep_from date) RETURNS SETOF text
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
      IF base = 'transaction' THEN
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I WHERE source <> %L)', child, '') INTO loaded;
        CONTINUE WHEN loaded;
      END IF;
      EXECUTE format('DROP TABLE %I', child);
      RETURN NEXT child;
    END LOOP;
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION candor_ensure_partitions(date, date, text[]), candor_retire_partitions(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION candor_ensure_partitions(date, date, text[]), candor_retire_partitions(date)
  TO candor_serving;
"""

GUARDS = """
CALL candor_make_append_only('decisioning_decision');
CALL candor_make_append_only('decisioning_outcome');
CALL candor_make_append_only('decisioning_presentation');
CALL candor_make_append_only('decisioning_rewardlog');
REVOKE UPDATE, DELETE ON decisioning_decision, decisioning_outcome, decisioning_presentation, decisioning_rewardlog
  FROM candor_serving;
INSERT INTO decisioning_posteriorhead (id, position) VALUES (1, 0);
SELECT candor_ensure_partitions((now() - interval '8 months')::date, (now() + interval '2 months')::date,
                                ARRAY['transaction', 'signal', 'decision', 'outcome']);
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("decisioning", "0001_initial"), ("offers", "0002_guards")]

    operations: ClassVar = [migrations.RunSQL(sql, migrations.RunSQL.noop) for sql in (TABLES, PARTITIONS, GUARDS)]
