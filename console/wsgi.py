"""The entry point of the web server."""

import os

from django.core.wsgi import get_wsgi_application

from console.celery import app as celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")

application = get_wsgi_application()

# Celery's application is here because the pages and the REST door queue tasks.
__all__ = ["application", "celery"]
