"""Who may sign what, also for whoever writes SQL: approving, justifying, breaking the glass, stopping and resuming take
an active person with a role that may. A later change of these rights is a migration of its own, never an update."""

from typing import ClassVar

from django.db import migrations

# As offers.roles.PERMISSIONS has it; tests/offers/test_roles.py compares the two.
RIGHTS = """
CREATE TABLE offers_signingright (action varchar(60) NOT NULL, role varchar(150) NOT NULL, PRIMARY KEY (action, role));
REVOKE INSERT, UPDATE, DELETE ON offers_signingright FROM candor_serving;

INSERT INTO offers_signingright (action, role) VALUES
  ('approve:product', 'risk_approver'), ('approve:offer', 'risk_approver'), ('approve:boost', 'risk_approver'),
  ('approve:placement', 'risk_approver'), ('approve:catalogue', 'risk_approver'),
  ('approve:creative', 'marketing_lead'), ('approve:creative', 'risk_approver'),
  ('approve:arm', 'marketing_lead'), ('approve:arm', 'risk_approver'),
  ('approve:rule', 'risk_approver'), ('approve:contact_policy', 'risk_approver'), ('approve:ranking', 'risk_approver'),
  ('approve:model', 'model_risk'), ('approve:model', 'compliance'),
  ('approve:rollback', 'risk_approver'), ('approve:rollback', 'compliance'),
  ('justify', 'compliance'),
  ('break_glass', 'risk_approver'), ('break_glass', 'compliance'),
  ('stop', 'risk_author'), ('stop', 'risk_approver'), ('stop', 'compliance'), ('stop', 'operator'),
  ('resume', 'risk_approver'), ('resume', 'compliance');

CREATE FUNCTION candor_require_right(person integer, wanted text) RETURNS void LANGUAGE plpgsql STABLE AS $$
BEGIN
  PERFORM 1 FROM auth_user u
    JOIN auth_user_groups m ON m.user_id = u.id JOIN auth_group g ON g.id = m.group_id
    JOIN offers_signingright r ON r.role = g.name
    WHERE u.id = person AND u.is_active AND r.action = wanted;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'user % holds no role that may take the action %', coalesce(person::text, 'nobody'),
      coalesce(wanted, 'unknown') USING ERRCODE = 'restrict_violation';
  END IF;
END $$;
"""

# After the row is written, so that the constraints speak first: that of self-approval for one.
SIGNATURES = """
CREATE FUNCTION candor_guard_checker() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM candor_require_right(NEW.checker_id, 'approve:' || NEW.kind);
  IF NEW.kind <> 'rollback' THEN
    PERFORM candor_require_right(NEW.checker_id, 'approve:' || kind)
      FROM (SELECT DISTINCT item->>'kind' AS kind FROM jsonb_array_elements(NEW.items) AS item) AS kinds;
    RETURN NULL;
  END IF;
  -- What is rolled back to was approved before, item by item; so it must be what stood there, or did not.
  PERFORM 1 FROM jsonb_array_elements(NEW.items) AS item WHERE NEW.status = 'approved' AND NOT EXISTS (
    SELECT 1 FROM offers_release r WHERE r.number::text = NEW.key
      AND coalesce(r.content->(item->>'kind')->(item->>'key'), 'null') = coalesce(item->'content', 'null'));
  IF FOUND THEN
    RAISE EXCEPTION 'release % says otherwise than this rollback to it', NEW.key USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER guard_checker AFTER UPDATE ON offers_changerequest FOR EACH ROW
  WHEN (NEW.status IN ('approved', 'rejected') AND OLD.status <> NEW.status) EXECUTE FUNCTION candor_guard_checker();

CREATE FUNCTION candor_guard_signatures() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.justified_by_id IS NOT NULL
     AND (NEW.justified_by_id, NEW.justification) IS DISTINCT FROM (OLD.justified_by_id, OLD.justification) THEN
    PERFORM candor_require_right(NEW.justified_by_id, 'justify');
  END IF;
  IF NEW.broken_by_id IS NOT NULL
     AND (NEW.broken_by_id, NEW.broken_because) IS DISTINCT FROM (OLD.broken_by_id, OLD.broken_because) THEN
    PERFORM candor_require_right(NEW.broken_by_id, 'break_glass');
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER guard_signatures AFTER INSERT OR UPDATE ON offers_changerequest FOR EACH ROW
  WHEN (NEW.justified_by_id IS NOT NULL OR NEW.broken_by_id IS NOT NULL) EXECUTE FUNCTION candor_guard_signatures();

CREATE FUNCTION candor_guard_second_glass() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM candor_require_right(c.checker_id, 'break_glass')
    FROM offers_changerequest c JOIN offers_evidence e ON e.change_id = c.id
    WHERE c.id = NEW.change_id AND e.id = NEW.evidence_id AND e.verdict = 'not_computed';
  RETURN NULL;
END $$;
CREATE TRIGGER guard_second_glass AFTER INSERT ON offers_release FOR EACH ROW
  EXECUTE FUNCTION candor_guard_second_glass();

CREATE FUNCTION candor_guard_officer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM candor_require_right(NEW.stopped_by_id, 'stop');
  END IF;
  IF NEW.resumed_by_id IS NOT NULL OR NEW.resumed_at IS NOT NULL THEN
    PERFORM candor_require_right(NEW.resumed_by_id, 'resume');
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER guard_officer AFTER INSERT OR UPDATE ON offers_stop FOR EACH ROW
  EXECUTE FUNCTION candor_guard_officer();
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("offers", "0004_console"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations: ClassVar = [migrations.RunSQL(sql, migrations.RunSQL.noop) for sql in (RIGHTS, SIGNATURES)]
