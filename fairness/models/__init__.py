"""The tables of fairness, one module an area; who may write a row is in the domain modules and once more in the
constraints and triggers of the migrations."""

from fairness.models.audits import FairnessAudit, ProxyStrength
from fairness.models.findings import Finding, FindingEvent
from fairness.models.vault import ProtectedAttribute

__all__ = ["FairnessAudit", "Finding", "FindingEvent", "ProtectedAttribute", "ProxyStrength"]
