"""The addresses of the pages of compliance and model risk."""

from django.urls import URLPattern, URLResolver, path

from console.views import fairness

compliance: list[URLPattern | URLResolver] = [
    # The state of fairness, and a file of anybody's decisions.
    path("fairness/", fairness.overview, name="fairness"),
    path("fairness/audit/", fairness.audit_now, name="fairness_audit"),
    path("fairness/file/", fairness.file, name="fairness_file"),
    # Causes: steering, exposure, pairs of people.
    # Less discriminatory alternatives.
    # Findings.
    # Policy packs: thresholds, monitors, what the law asks for.
    # Models: inventory, validation.
    # Explanations and requests.
    # Examiner pack.
]
