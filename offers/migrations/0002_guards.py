"""Grants of the serving role, and the guards that hold for every write path, a psql session included."""

from typing import ClassVar

from django.db import migrations

GRANTS = """
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO candor_serving;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO candor_serving;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO candor_vault;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO candor_serving;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO candor_serving;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO candor_vault;
REVOKE UPDATE, DELETE ON offers_auditevent, offers_evidence, offers_release FROM candor_serving;
REVOKE DELETE ON offers_changerequest, offers_stop, offers_stopepoch FROM candor_serving;
"""

APPEND_ONLY = """
CREATE FUNCTION candor_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;

CREATE PROCEDURE candor_make_append_only(target regclass) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %s
                  FOR EACH ROW EXECUTE FUNCTION candor_refuse_change()', target);
  EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON %s
                  FOR EACH STATEMENT EXECUTE FUNCTION candor_refuse_change()', target);
END $$;

CALL candor_make_append_only('offers_auditevent');
CALL candor_make_append_only('offers_evidence');
CALL candor_make_append_only('offers_release');
"""

CHANGES = """
CREATE FUNCTION candor_guard_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'a change request is never deleted' USING ERRCODE = 'restrict_violation';
  END IF;
  IF TG_OP = 'INSERT' THEN
    IF NEW.status <> 'draft' THEN
      RAISE EXCEPTION 'a change request starts as a draft' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
  END IF;
  IF NEW.author_id <> OLD.author_id THEN
    RAISE EXCEPTION 'the author of a change request is fixed' USING ERRCODE = 'restrict_violation';
  END IF;
  IF OLD.status <> 'draft' AND (NEW.items, NEW.content_hash, NEW.kind, NEW.key)
     IS DISTINCT FROM (OLD.items, OLD.content_hash, OLD.kind, OLD.key) THEN
    RAISE EXCEPTION 'the content of a change request is frozen once it is submitted' USING ERRCODE = 'restrict_violation';
  END IF;
  IF OLD.status <> NEW.status AND (OLD.status, NEW.status) NOT IN (
       ('draft', 'submitted'), ('draft', 'withdrawn'), ('submitted', 'draft'), ('submitted', 'approved'),
       ('submitted', 'rejected'), ('submitted', 'withdrawn')) THEN
    RAISE EXCEPTION 'a change request cannot go from % to %', OLD.status, NEW.status
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_change BEFORE INSERT OR UPDATE OR DELETE ON offers_changerequest
  FOR EACH ROW EXECUTE FUNCTION candor_guard_change();

CREATE FUNCTION candor_guard_release() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM offers_evidence e JOIN offers_changerequest c ON c.id = e.change_id
    WHERE e.id = NEW.evidence_id AND c.id = NEW.change_id AND c.status = 'approved'
      AND e.candidate_hash = NEW.content_hash AND e.content_hash = c.approved_hash;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'release % has no evidence on this content for an approved change', NEW.number
      USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM offers_release) THEN
    RAISE EXCEPTION 'release numbers have no gap: % refused', NEW.number USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_release BEFORE INSERT ON offers_release FOR EACH ROW EXECUTE FUNCTION candor_guard_release();
"""

STOPS = """
INSERT INTO offers_stopepoch (id, epoch) VALUES (1, 1);

CREATE FUNCTION candor_stop_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND ((NEW.scope, NEW.target, NEW.reason, NEW.stopped_by_id, NEW.stopped_at)
       IS DISTINCT FROM (OLD.scope, OLD.target, OLD.reason, OLD.stopped_by_id, OLD.stopped_at)
       OR OLD.resumed_at IS NOT NULL) THEN
    RAISE EXCEPTION 'a stop can only be resumed, once' USING ERRCODE = 'restrict_violation';
  END IF;
  UPDATE offers_stopepoch SET epoch = epoch + 1;
  RETURN NEW;
END $$;
CREATE TRIGGER stop_changed BEFORE INSERT OR UPDATE ON offers_stop
  FOR EACH ROW EXECUTE FUNCTION candor_stop_changed();
CREATE TRIGGER no_delete BEFORE DELETE ON offers_stop FOR EACH ROW EXECUTE FUNCTION candor_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("offers", "0001_initial")]

    operations: ClassVar = [
        migrations.RunSQL(sql, migrations.RunSQL.noop) for sql in (GRANTS, APPEND_ONLY, CHANGES, STOPS)
    ]
