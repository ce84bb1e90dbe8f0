"""The Celery application; tasks live in the packages' own `tasks` modules, and nothing else comes in here."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")

app = Celery("candor")
app.config_from_object("django.conf:settings", namespace="CELERY")
# For every thread: a web server's threads would otherwise fall back to an application without a broker.
app.set_default()
app.autodiscover_tasks()
