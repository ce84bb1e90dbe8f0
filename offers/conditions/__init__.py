"""The rule language: grammar, evaluation for one and for many, and plain English; never what a result leads to."""

from offers.conditions.evaluate import (
    ClauseResult,
    Evaluator,
    Failure,
    FailuresEvaluator,
    Outcome,
    RulesEvaluator,
    compile_condition,
    compile_conditions,
    compile_failures,
    explain,
    trace,
)
from offers.conditions.grammar import (
    Clause,
    Combination,
    Condition,
    Fault,
    InvalidCondition,
    attributes_of,
    clauses,
    parse,
    to_json,
)

__all__ = [
    "Clause",
    "ClauseResult",
    "Combination",
    "Condition",
    "Evaluator",
    "Failure",
    "FailuresEvaluator",
    "Fault",
    "InvalidCondition",
    "Outcome",
    "RulesEvaluator",
    "attributes_of",
    "clauses",
    "compile_condition",
    "compile_conditions",
    "compile_failures",
    "explain",
    "parse",
    "to_json",
    "trace",
]
