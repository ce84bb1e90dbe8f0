"""The addresses of the pages of compliance and model risk."""

from django.urls import URLPattern, URLResolver, path

from console.views import (
    alternatives,
    causes,
    examiner,
    explanations,
    fairness,
    fairness_drill,
    fairness_history,
    findings,
    firm_offers,
    holds,
    individuals,
    models,
    packs,
    requests,
    validations,
    why_not,
)

compliance: list[URLPattern | URLResolver] = [
    # The state of fairness, and a file of anybody's decisions.
    path("fairness/", fairness.overview, name="fairness"),
    path("fairness/beyond/", fairness.beyond, name="fairness_beyond"),
    path("fairness/audit/", fairness.audit_now, name="fairness_audit"),
    path("fairness/file/", fairness.file, name="fairness_file"),
    path("fairness/history/<str:source>/", fairness_history.history, name="fairness_history"),
    path("fairness/offers/<str:offer>/<str:attribute>/", fairness_drill.drill, name="fairness_drill"),
    path("fairness/counts/<int:comparison>/", fairness_drill.counts, name="fairness_counts"),
    path("fairness/scores/<int:figure>/", fairness_drill.score_counts, name="fairness_score_counts"),
    # Causes: steering, exposure, pairs of people.
    path("fairness/causes/<str:offer>/<str:attribute>/", causes.causes, name="causes"),
    path("fairness/causes/<str:offer>/<str:attribute>/find/", causes.find, name="causes_find"),
    path("fairness/steering/", causes.steering, name="steering"),
    path("fairness/exposure/", causes.exposure, name="exposure"),
    path("fairness/individuals/", individuals.index, name="individuals"),
    path("fairness/individuals/check/", individuals.check, name="individuals_check"),
    path("fairness/individuals/pairs/<int:pk>/", individuals.pair, name="individuals_pair"),
    # Less discriminatory alternatives.
    path("fairness/alternatives/", alternatives.index, name="alternatives"),
    path("fairness/alternatives/new/", alternatives.new, name="alternatives_new"),
    path("fairness/alternatives/waive/", alternatives.waive, name="alternatives_waive"),
    path("fairness/alternatives/<int:pk>/", alternatives.detail, name="alternatives_search"),
    path("fairness/alternatives/<int:pk>/progress/", alternatives.progress, name="alternatives_progress"),
    path("fairness/alternatives/<int:pk>/run/", alternatives.run, name="alternatives_run"),
    path("fairness/alternatives/<int:pk>/decide/", alternatives.decide, name="alternatives_decide"),
    path("fairness/alternatives/<int:pk>/sign/", alternatives.sign, name="alternatives_sign"),
    path("fairness/alternatives/<int:pk>/propose/", alternatives.propose, name="alternatives_propose"),
    path("fairness/alternatives/<int:pk>/table.csv", alternatives.table, name="alternatives_table"),
    path("fairness/alternatives/<int:pk>/pack.pdf", alternatives.paper, name="alternatives_paper"),
    # Findings.
    path("findings/", findings.index, name="findings"),
    path("findings/<int:finding_id>/", findings.detail, name="finding"),
    path("findings/<int:finding_id>/assign/", findings.assign, name="finding_assign"),
    path("findings/<int:finding_id>/remedy/", findings.remedy, name="finding_remedy"),
    path("findings/<int:finding_id>/close/", findings.close, name="finding_close"),
    path("findings/<int:finding_id>/send-back/", findings.send_back, name="finding_send_back"),
    # Legal holds, and lists of firm offers.
    path("holds/", holds.index, name="holds"),
    path("holds/<int:hold_id>/end/", holds.end, name="hold_end"),
    path("offers/<slug:key>/list/", firm_offers.pull, name="firm_offer_pull"),
    # Policy packs: thresholds, monitors, what the law asks for.
    path("fairness/packs/", packs.index, name="packs"),
    path("fairness/packs/new/", packs.new, name="pack_new"),
    path("fairness/packs/<slug:key>/", packs.detail, name="pack"),
    path("fairness/packs/<slug:key>/edit/", packs.edit, name="pack_edit"),
    # Models: inventory, validation.
    path("models/", models.index, name="models"),
    path("overrides/", models.overrides, name="overrides"),
    path("models/<str:name>/", models.detail, name="model"),
    path("models/<str:name>/edit/", models.edit, name="model_edit"),
    path("models/<str:name>/measure/", models.measure, name="model_measure"),
    path("models/<str:name>/card.pdf", models.card_pdf, name="model_card_pdf"),
    path("models/<str:name>/card.json", models.card_json, name="model_card_json"),
    path("models/<str:name>/validation/", validations.index, name="validation"),
    path("models/<str:name>/validation/begin/", validations.begin, name="validation_begin"),
    path("models/<str:name>/validation/<int:validation_id>/write/", validations.write, name="validation_write"),
    path(
        "models/<str:name>/validation/<int:validation_id>/countersign/",
        validations.countersign,
        name="validation_countersign",
    ),
    # Explanations and requests.
    path("decisions/<uuid:decision_id>/letter/", explanations.as_letter, name="decision_letter"),
    path("decisions/<uuid:decision_id>/letter/pdf/", explanations.letter_pdf, name="decision_letter_pdf"),
    path("decisions/<uuid:decision_id>/for/<slug:audience>/", explanations.detail, name="decision_explanation"),
    path("decisions/<uuid:decision_id>/for/<slug:audience>/pdf/", explanations.as_pdf, name="decision_explanation_pdf"),
    path(
        "decisions/<uuid:decision_id>/for/<slug:audience>/json/", explanations.as_json, name="decision_explanation_json"
    ),
    path("customers/<str:external_id>/why-not/", why_not.index, name="why_not"),
    path("requests/", requests.index, name="requests"),
    path("requests/new/", requests.new, name="request_new"),
    path("requests/<int:request_id>/", requests.detail, name="request"),
    path("requests/<int:request_id>/take/", requests.take, name="request_take"),
    path("requests/<int:request_id>/close/", requests.close, name="request_close"),
    path("requests/<int:request_id>/refuse/", requests.refuse, name="request_refuse"),
    # Examiner pack.
    path("examiner/", examiner.index, name="examiner"),
    path("examiner/make/", examiner.make, name="examiner_make"),
    path("examiner/<int:pack_id>/", examiner.download, name="examiner_download"),
]
