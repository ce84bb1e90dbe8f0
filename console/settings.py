"""All settings, from the environment; without DATABASE_URL and REDIS_URL this is the demo and its own servers."""

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import django_stubs_ext
import plotly
from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from console import databases, secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
VAR = BASE_DIR / "var"


def _flag(name: str, default: bool) -> bool:
    return os.environ.get(name, "1" if default else "0").lower() in {"1", "true", "yes", "on"}


# --- What the environment says -------------------------------------------------------------------------------------
# manage.py, `demo` and the tests start the embedded servers where a command needs them and put these two variables
# into the environment. Commands that need no database run without.
DATABASE_URL = os.environ.get("DATABASE_URL", "")
REDIS_URL = os.environ.get("REDIS_URL", "")
DEMO = not DATABASE_URL and not REDIS_URL

UNDER_DEMO = _flag("CANDOR_DEMO", default=False)  # set by `make demo` for what it starts, also on given servers

if bool(DATABASE_URL) != bool(REDIS_URL):
    raise ImproperlyConfigured("Set DATABASE_URL and REDIS_URL, or neither: with neither, the demo starts its own.")
if not DEMO and not os.environ.get("SECRET_KEY"):
    raise ImproperlyConfigured("SECRET_KEY is not set: outside the demo Candor does not start without a secret.")

try:
    SECRET_KEY = os.environ.get("SECRET_KEY") or secret_key.read_or_create(VAR / "secret")
except OSError as fault:
    raise ImproperlyConfigured(f"The demo keeps its secret in {VAR / 'secret'}: {fault.strerror}.") from None

DEBUG = _flag("DEBUG", default=False)
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")
# Public and bank data that is read in place and never copied in.
CANDOR_DATA = Path(os.environ.get("CANDOR_DATA", BASE_DIR.parent / "shared" / "data"))

# --- Applications --------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "console",
    "fairness",
    "decisioning",
    "offers",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "axes",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "csp",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "console.outage.DatabaseOutage",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "console.accounts.sessions.SessionRules",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "console.urls"
WSGI_APPLICATION = "console.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "console.navigation.shell",
            ],
        },
    },
]
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Postgres: one database, three logins --------------------------------------------------------------------------
DATABASES: dict[str, dict[str, Any]] = (
    databases.logins(
        DATABASE_URL,
        SECRET_KEY,
        serving_url=os.environ.get("DATABASE_SERVING_URL", ""),
        vault_url=os.environ.get("DATABASE_VAULT_URL", ""),
    )
    if DATABASE_URL
    # A command that needs no database; one that does is refused by Django's dummy backend.
    else {alias: {"ENGINE": "django.db.backends.dummy"} for alias in ("default", "owner", "vault")}
)

# --- Signing in ----------------------------------------------------------------------------------------------------
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "/"
# A password and a code of one's phone. The demo's sign-ins stay one step, unless somebody sets a phone up.
REQUIRE_SECOND_FACTOR = _flag("REQUIRE_SECOND_FACTOR", default=not DEMO and not UNDER_DEMO)
OTP_TOTP_ISSUER = "Candor"
# A session ends after this time without a page, and after the hours whatever happens.
SESSION_COOKIE_AGE = 60 * int(os.environ.get("SESSION_IDLE_MINUTES", "30"))
SESSION_LENGTH = timedelta(hours=float(os.environ.get("SESSION_HOURS", "12")))
# Five wrong passwords or codes for one name from one address, and both wait a quarter of an hour.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "console.accounts.lockout.locked_out"
AXES_CLIENT_IP_CALLABLE = "console.accounts.lockout.address"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True  # who signed in stands in the audit trail
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "code"]
AXES_ENABLE_ADMIN = AXES_VERBOSE = False
# Proxies in front of the web server, each of which appends to X-Forwarded-For; without them the header is anybody's.
TRUSTED_PROXIES = int(os.environ.get("TRUSTED_PROXIES", "0"))
# Single sign-on by OpenID Connect, where an issuer is named; see console/accounts/single_sign_on.py.
OIDC_ISSUER = os.environ.get("OIDC_ISSUER", "").rstrip("/")
OIDC_CLIENT_ID = os.environ.get("OIDC_CLIENT_ID", "")
OIDC_CLIENT_SECRET = os.environ.get("OIDC_CLIENT_SECRET", "")
OIDC_SCOPE = os.environ.get("OIDC_SCOPE", "openid profile email")
OIDC_NAME = os.environ.get("OIDC_NAME", "single sign-on")  # on the button
OIDC_USERNAME_CLAIM = os.environ.get("OIDC_USERNAME_CLAIM", "preferred_username")
OIDC_ROLES_CLAIM = os.environ.get("OIDC_ROLES_CLAIM", "roles")
# What the claim calls each role, as a JSON object such as {"CARDS-RISK-APPROVE": "risk_approver"}; else our own names.
OIDC_ROLES: dict[str, str] = json.loads(os.environ.get("OIDC_ROLES") or "{}")
if OIDC_ISSUER and not (OIDC_CLIENT_ID and OIDC_CLIENT_SECRET):
    raise ImproperlyConfigured("OIDC_ISSUER is set: set OIDC_CLIENT_ID and OIDC_CLIENT_SECRET too.")
SESSION_COOKIE_SAMESITE = "Lax"
# The demo speaks plain HTTP on this machine; everywhere else TLS ends at a proxy, which must set this header itself.
HTTPS = _flag("HTTPS", default=not DEMO)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if HTTPS else 0
X_FRAME_OPTIONS = "DENY"

# No inline script and no inline style on any page of ours; /api/docs/ widens this for itself, in console.urls.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}

# --- Static files --------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
# Plotly's script is served from its package: nothing is vendored.
PLOTLY = Path(plotly.__file__).parent / "package_data"
STATICFILES_DIRS = [BASE_DIR / "static", ("plotly", PLOTLY)]
# Served from where they lie: nobody has to collect them first, neither for a demo nor for a test.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

# --- REST ----------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    # Each view names its own: a forgotten one is refused to everybody.
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Candor",
    "DESCRIPTION": "Which credit-card offer a customer sees next, and why.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- Streams of signals --------------------------------------------------------------------------------------------
# Redis Streams need no setting: `manage.py consume redis` reads candor:signals at REDIS_URL. Kafka is read where
# brokers are named; its options are librdkafka's, as a JSON object, such as those of TLS and SASL.
KAFKA_BROKERS = os.environ.get("KAFKA_BROKERS", "")
KAFKA_TOPIC = os.environ.get("KAFKA_TOPIC", "candor.signals")
KAFKA_OPTIONS: dict[str, Any] = json.loads(os.environ.get("KAFKA_OPTIONS") or "{}")

# --- Mail, and where the head of the audit trail is published every day --------------------------------------------
EMAIL_HOST = os.environ.get("EMAIL_HOST", "localhost")
EMAIL_PORT = int(os.environ.get("EMAIL_PORT", "25"))
EMAIL_HOST_USER = os.environ.get("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = os.environ.get("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = _flag("EMAIL_USE_TLS", default=False)
EMAIL_TIMEOUT = 10  # seconds
DEFAULT_FROM_EMAIL = os.environ.get("EMAIL_FROM", "candor@localhost")
# A file that is only appended to, best on storage that allows nothing else; an address; a URL that takes JSON.
ANCHOR_FILE = Path(os.environ.get("ANCHOR_FILE", VAR / "anchors.jsonl"))
ANCHOR_EMAIL = os.environ.get("ANCHOR_EMAIL", "")
ANCHOR_WEBHOOK = os.environ.get("ANCHOR_WEBHOOK", "")

# --- Celery --------------------------------------------------------------------------------------------------------
# learn: the one learner; default: short work; long: jobs with a row in Postgres; fairness: a process that is thrown
# away after each task. `demo` starts a worker for each. A task names its queue where it is declared.
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 6 * 60 * 60}  # seconds; longer than the longest task
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True  # results are rows in Postgres
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
# Seconds between runs, or a time of day in UTC. Outcomes wake the learner themselves; beat is for a lost wake-up. A run
# that found no worker expires before the next one, so that nothing piles up.
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "learn": {"task": "decisioning.tasks.learn_outcomes", "schedule": 2.0, "options": {"expires": 2.0}},
    "heal": {"task": "decisioning.tasks.heal", "schedule": 5.0, "options": {"expires": 5.0}},
    "publish": {"task": "fairness.tasks.publish_due", "schedule": 1.0, "options": {"expires": 1.0}},
    "drill": {
        "task": "decisioning.tasks.drill_stops",
        "schedule": crontab(day_of_month="1", hour="6", minute="10"),
    },
    "suppressions": {"task": "decisioning.tasks.end_suppressions", "schedule": crontab(minute="5")},
    "partitions": {"task": "decisioning.tasks.keep_partitions", "schedule": crontab(minute="20")},
    "materialise": {"task": "decisioning.tasks.materialise_population", "schedule": crontab(hour="0", minute="10")},
    "score": {"task": "decisioning.tasks.score", "schedule": crontab(hour="1", minute="0")},
    "fairness": {"task": "fairness.tasks.audit_decisions", "schedule": crontab(hour="3", minute="0")},
    "cube": {"task": "fairness.tasks.count_units", "schedule": 600.0, "options": {"expires": 600.0}},
    "individuals": {
        "task": "fairness.tasks.check_individuals",
        "schedule": crontab(day_of_week="0", hour="4", minute="0"),
    },
    "proxies": {"task": "fairness.tasks.measure_proxies", "schedule": crontab(hour="3", minute="30")},
    "causes": {"task": "fairness.tasks.find_causes", "schedule": crontab(hour="3", minute="40")},
    "retrain": {"task": "decisioning.tasks.retrain", "schedule": crontab(hour="2", minute="0")},
    "statistics": {"task": "decisioning.tasks.measure_features", "schedule": crontab(hour="4", minute="0")},
    "unserved": {"task": "decisioning.tasks.find_unserved", "schedule": crontab(hour="1", minute="40")},
    "skew": {"task": "decisioning.tasks.check_skew", "schedule": crontab(hour="4", minute="30")},
    "models": {"task": "fairness.tasks.review_models", "schedule": crontab(hour="5", minute="30")},
    "replay": {"task": "fairness.tasks.replay_decisions", "schedule": crontab(hour="2", minute="30")},
    "anchor": {"task": "fairness.tasks.anchor_audit", "schedule": crontab(hour="0", minute="30")},
    "quality": {"task": "decisioning.tasks.check_quality", "schedule": crontab(hour="5", minute="0")},
}
if UNDER_DEMO:  # looks whether the made-up bank's export is due; a real bank sends its own
    CELERY_BEAT_SCHEDULE["bank-export"] = {
        "task": "console.tasks.bank_export", "schedule": 600.0, "options": {"expires": 600.0},
    }  # fmt: skip

# --- Log -----------------------------------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {"axes": {"level": "WARNING"}},
}

django_stubs_ext.monkeypatch()
