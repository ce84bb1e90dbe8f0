"""Tables of customers, what is known of them, decisions and learning. Customer-owned tables carry the customer in every
key; the partitioned ones (signals, transactions, decisions, outcomes) are made by migration SQL."""

from decisioning.models.decisions import (
    CapLedger,
    Decision,
    Delivery,
    LoggedDecision,
    Outcome,
    Presentation,
    SessionLease,
)
from decisioning.models.features import (
    ActivityForest,
    FeatureRow,
    FeatureStatistics,
    FeatureVector,
    PrecomputedScore,
    ScoreLayout,
    SkewCheck,
)
from decisioning.models.learning import (
    ModelVersion,
    Posterior,
    PosteriorHead,
    RewardLog,
    RewardWork,
)
from decisioning.models.profile import (
    Account,
    Consent,
    Customer,
    DeadLetter,
    EventReceipt,
    Post,
    QualityCheck,
    Signal,
    Suppression,
    Transaction,
)
from decisioning.models.running import (
    ApiKey,
    IdempotencyKey,
    Job,
    StopDrill,
    UnservedReport,
)

__all__ = [
    "Account",
    "ActivityForest",
    "ApiKey",
    "CapLedger",
    "Consent",
    "Customer",
    "DeadLetter",
    "Decision",
    "Delivery",
    "EventReceipt",
    "FeatureRow",
    "FeatureStatistics",
    "FeatureVector",
    "IdempotencyKey",
    "Job",
    "LoggedDecision",
    "ModelVersion",
    "Outcome",
    "Post",
    "Posterior",
    "PosteriorHead",
    "PrecomputedScore",
    "Presentation",
    "QualityCheck",
    "RewardLog",
    "RewardWork",
    "ScoreLayout",
    "SessionLease",
    "Signal",
    "SkewCheck",
    "StopDrill",
    "Suppression",
    "Transaction",
    "UnservedReport",
]
