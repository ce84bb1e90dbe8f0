"""Pages while Postgres does not answer."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from offers import roles
from tests import bank


@pytest.mark.usefixtures("live_db")
@pytest.mark.parametrize("name", ["home", "rules", "sign_in"])
def test_without_postgres_whoever_is_signed_in_is_told_to_come_back(name: str) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(bank.person("rosa", roles.RISK_APPROVER))
    connection.close()
    was = connection.settings_dict
    connection.settings_dict = {**was, "HOST": "127.0.0.1", "PORT": "1"}
    try:
        answer = client.get(reverse(name))
    finally:
        connection.close()
        connection.settings_dict = was
    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "5")
