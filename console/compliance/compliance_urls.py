"""The addresses of the pages of compliance and model risk."""

from django.urls import URLPattern, URLResolver, path

from console.views import examiner, fairness, findings, packs

compliance: list[URLPattern | URLResolver] = [
    # The state of fairness, and a file of anybody's decisions.
    path("fairness/", fairness.overview, name="fairness"),
    path("fairness/audit/", fairness.audit_now, name="fairness_audit"),
    path("fairness/file/", fairness.file, name="fairness_file"),
    # Causes: steering, exposure, pairs of people.
    # Less discriminatory alternatives.
    # Findings.
    path("findings/", findings.index, name="findings"),
    path("findings/<int:finding_id>/", findings.detail, name="finding"),
    path("findings/<int:finding_id>/assign/", findings.assign, name="finding_assign"),
    path("findings/<int:finding_id>/remedy/", findings.remedy, name="finding_remedy"),
    path("findings/<int:finding_id>/close/", findings.close, name="finding_close"),
    path("findings/<int:finding_id>/send-back/", findings.send_back, name="finding_send_back"),
    # Policy packs: thresholds, monitors, what the law asks for.
    path("fairness/packs/", packs.index, name="packs"),
    path("fairness/packs/new/", packs.new, name="pack_new"),
    path("fairness/packs/<slug:key>/", packs.detail, name="pack"),
    path("fairness/packs/<slug:key>/edit/", packs.edit, name="pack_edit"),
    # Models: inventory, validation.
    # Explanations and requests.
    # Examiner pack.
    path("examiner/", examiner.index, name="examiner"),
    path("examiner/make/", examiner.make, name="examiner_make"),
    path("examiner/<int:pack_id>/", examiner.download, name="examiner_download"),
]
