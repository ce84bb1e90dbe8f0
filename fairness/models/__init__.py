"""The tables of fairness, one module an area; who may write a row is in the domain modules and once more in the
constraints and triggers of the migrations."""

from fairness.models.alternatives import (
    Candidate,
    ComparatorPair,
    DecisionMemo,
    IndividualCheck,
    Search,
    SearchRun,
    SearchSignature,
    SearchWaiver,
)
from fairness.models.audits import FairnessAudit, ProxyStrength
from fairness.models.causes import Cause
from fairness.models.cube import CubeComparison, CubeCount, CubeOffer, CubePosition, CubeUnit
from fairness.models.explanations import CustomerRequest
from fairness.models.findings import Finding, FindingEvent
from fairness.models.governance import (
    Anchor,
    ExaminerPack,
    ExaminerPackPart,
    ModelMeasurement,
    ModelRecord,
    ModelValidation,
    ReviewTrigger,
)
from fairness.models.holds import HoldEnd, LegalHold
from fairness.models.scores import MonthFigure
from fairness.models.vault import ProtectedAttribute

__all__ = [
    "Anchor",
    "Candidate",
    "Cause",
    "ComparatorPair",
    "CubeComparison",
    "CubeCount",
    "CubeOffer",
    "CubePosition",
    "CubeUnit",
    "CustomerRequest",
    "DecisionMemo",
    "ExaminerPack",
    "ExaminerPackPart",
    "FairnessAudit",
    "Finding",
    "FindingEvent",
    "HoldEnd",
    "IndividualCheck",
    "LegalHold",
    "ModelMeasurement",
    "ModelRecord",
    "ModelValidation",
    "MonthFigure",
    "ProtectedAttribute",
    "ProxyStrength",
    "ReviewTrigger",
    "Search",
    "SearchRun",
    "SearchSignature",
    "SearchWaiver",
]
