"""All settings, from the environment. What is missing or nonsense stops the start with a word about it.

Without ``DATABASE_URL`` the desk starts the PostgreSQL server that comes with its requirements; without
``REDIS_URL`` its few messages travel through files. Both are for the demo: see docs/operations.md.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import django_stubs_ext
import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from supportdesk import embedded
from supportdesk.mailbox_settings import Mailbox, mailboxes_of
from supportdesk.policy import POLICY
from supportdesk.provider_settings import provider_settings

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

DEMO: bool = env.bool("DEMO", default=False)
DEBUG: bool = env.bool("DEBUG", default=False)
DESK_HOME = Path(env.str("DESK_HOME", default=str(BASE_DIR / ".desk")))
# What people attach (D31). Web writes and reads it, a worker sweeps it: all of them see the same folder.
FILES_DIR = Path(env.str("FILES_DIR", default=str(DESK_HOME / "files")))
DESK_NAME: str = env.str("DESK_NAME", default="Quillmark")

if "SECRET_KEY" in env:
    SECRET_KEY: str = env.str("SECRET_KEY")
elif "DATABASE_URL" not in env:
    SECRET_KEY = embedded.kept_secret(DESK_HOME)
else:
    raise ImproperlyConfigured("SECRET_KEY is not set. Give the desk a long random text of its own.")

SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])

# One base address makes every link in a mail: the Host header of a request never does.
REAL = "DATABASE_URL" in env and not DEMO
for _name in ("BASE_URL", "MAIL_DOMAIN", "MAIL_HOST") if REAL else ():
    if _name not in env:
        raise ImproperlyConfigured(f"{_name} is not set. A desk with its own database needs it: docs/operations.md.")
BASE_URL: str = env.str("BASE_URL", default="http://localhost:8000").rstrip("/")
if not BASE_URL.startswith(("http://", "https://")):
    raise ImproperlyConfigured(f"BASE_URL must begin with http:// or https://, not {BASE_URL!r}.")
SECURE = BASE_URL.startswith("https://")
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[BASE_URL.split("//")[1].split("/")[0].rsplit(":", 1)[0]])
CSRF_TRUSTED_ORIGINS = [BASE_URL]

INSTALLED_APPS = [
    "supportdesk.apps.SupportdeskConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "csp",
    "supportdesk.mail",
    "supportdesk.people",
    "supportdesk.tips",
    "points",
    "sla",
    "incidents",
    "supportdesk.portal",
    "supportdesk.desk",
]
if DEMO:
    INSTALLED_APPS.append("supportdesk.demo")
if find_spec("django_linear_migrations"):
    INSTALLED_APPS.append("django_linear_migrations")

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "supportdesk.people.doors.DoorMiddleware",
]
ROOT_URLCONF = "supportdesk.urls"
WSGI_APPLICATION = "supportdesk.wsgi.application"
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
                "supportdesk.people.context.desk",
                *(["supportdesk.demo.context.people"] if DEMO else []),
            ],
            "builtins": [
                "supportdesk.people.templatetags.words",
                "points.templatetags.point_words",
                "incidents.templatetags.incident_words",
            ],
        },
    }
]

# The application's role reads and writes; the owner's makes and changes tables (`migrate` connects as it).
if "DATABASE_URL" in env:
    _app_url, _owner_url = env.str("DATABASE_URL"), env.str("DATABASE_OWNER_URL", default=env.str("DATABASE_URL"))
else:
    _app_url, _owner_url = embedded.database_urls(DESK_HOME)
DATABASES = {"default": environ.Env.db_url_config(_app_url) | {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}}
DATABASE_OWNER = environ.Env.db_url_config(_owner_url)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL: str = env.str("REDIS_URL", default="")
CACHES: dict[str, dict[str, object]]
if REDIS_URL:
    CELERY_BROKER_URL = REDIS_URL
    CACHES = {
        "default": {
            "BACKEND": "supportdesk.cache.RedisOrMemory",
            "LOCATION": REDIS_URL,
            "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1},
        }
    }
else:
    CELERY_BROKER_URL = "filesystem://"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(DESK_HOME / "broker"),
        "data_folder_out": str(DESK_HOME / "broker"),
        "control_folder": str(DESK_HOME / "broker-control"),
    }
    for _folder in ("broker", "broker-control", "cache"):
        (DESK_HOME / _folder).mkdir(parents=True, exist_ok=True)
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": str(DESK_HOME / "cache"),
        }
    }
CELERY_TASK_IGNORE_RESULT = True
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_BEAT_SCHEDULE_FILENAME = str(DESK_HOME / "beat-schedule")
CELERY_BEAT_SCHEDULE = {
    name: {"task": task, "schedule": seconds, "options": {"expires": 2 * seconds}}  # no heap while no worker runs
    for name, task, seconds in (
        ("deliver-mail", "mail.deliver", 5),
        ("file-mail", "incidents.file_mail", 5),
        ("announce-clocks", "incidents.announce_clocks", 20),
        ("replan", "incidents.replan", 20),
        ("handle-payment-events", "incidents.handle_payment_events", 5),
        ("send-refunds", "incidents.send_refunds", 20),
        ("look-at-payments", "incidents.look_at_payments", 60),
        ("record-silence", "incidents.record_silence", 600),
        ("end-silence", "incidents.end_silence", 600),
        ("lapse", "incidents.lapse", 600),
        ("sweep-files", "incidents.sweep_files", 3600),
        ("tell-of-failures", "incidents.tell_of_failures", 60),
        ("tell-of-held", "incidents.tell_of_held", 300),
        ("sweep-notices", "incidents.sweep_notices", 600),
        ("sweep-visitor-reports", "incidents.sweep_visitor_reports", 3600),
        ("expire-points", "points.write_expiries", 600),
        ("warn-of-expiries", "points.warn", 600),
        ("send-tips", "tips.send", 20),
        ("sweep-tips", "tips.sweep", 3600),
    )
}

# Mail out goes to MAIL_HOST; mail in comes to the gateway, or to whatever feeds it.
MAIL_HOST: str = env.str("MAIL_HOST", default="localhost")
MAIL_PORT: int = env.int("MAIL_PORT", default=25)
MAIL_USER: str = env.str("MAIL_USER", default="")
MAIL_PASSWORD: str = env.str("MAIL_PASSWORD", default="")
MAIL_STARTTLS: bool = env.bool("MAIL_STARTTLS", default=False)
MAIL_TIMEOUT_SECONDS: int = env.int("MAIL_TIMEOUT_SECONDS", default=20)
MAIL_DOMAIN: str = env.str("MAIL_DOMAIN", default="support.quillmark.example")
MAIL_FROM: str = env.str("MAIL_FROM", default=f"support@{MAIL_DOMAIN}")
# Each mail has an envelope sender of its own in MAIL_DOMAIN, so that a report tells by where it comes what it is about
# (D28). Off where MAIL_FROM is of another domain, whose SPF counts then, or where the server refuses such senders.
MAIL_BOUNCE_ADDRESSES: bool = env.bool(
    "MAIL_BOUNCE_ADDRESSES", default=MAIL_FROM.lower().rpartition("@")[2] == MAIL_DOMAIN.lower()
)
GATEWAY_HOST: str = env.str("GATEWAY_HOST", default="127.0.0.1")
GATEWAY_PORT: int = env.int("GATEWAY_PORT", default=2525)
GATEWAY_PROTOCOL: str = env.str("GATEWAY_PROTOCOL", default="smtp").lower()
if GATEWAY_PROTOCOL not in ("smtp", "lmtp"):
    raise ImproperlyConfigured(f"GATEWAY_PROTOCOL is smtp or lmtp, not {GATEWAY_PROTOCOL!r}.")
GATEWAY_CONNECTIONS: int = env.int("GATEWAY_CONNECTIONS", default=100)
GATEWAY_TIMEOUT_SECONDS: int = env.int("GATEWAY_TIMEOUT_SECONDS", default=120)
for _name, _number in (("CONNECTIONS", GATEWAY_CONNECTIONS), ("TIMEOUT_SECONDS", GATEWAY_TIMEOUT_SECONDS)):
    if _number < 1:
        raise ImproperlyConfigured(f"GATEWAY_{_name} must be 1 or more, not {_number}.")
# The mailboxes that are fetched by IMAP, and what becomes of a mail there once it is stored.
IMAP_MAILBOXES: tuple[Mailbox, ...] = mailboxes_of(env.ENVIRON)
IMAP_POLL_SECONDS: int = env.int("IMAP_POLL_SECONDS", default=60)
if not 5 <= IMAP_POLL_SECONDS <= 3600:
    raise ImproperlyConfigured(f"IMAP_POLL_SECONDS must be between 5 and 3600, not {IMAP_POLL_SECONDS}.")
# The mail servers of ours whose Received lines say where a mail came from (D28); without one it is who connected.
MAIL_RECEIVED_BY: list[str] = env.list("MAIL_RECEIVED_BY", default=[])
# The mail server of ours whose Authentication-Results header counts (D26); any other one is ignored.
MAIL_AUTHSERV_ID: str = env.str("MAIL_AUTHSERV_ID", default=MAIL_DOMAIN)
EMAIL_BACKEND = "supportdesk.mail.backend.OutboxBackend"
DEFAULT_FROM_EMAIL = MAIL_FROM

# Where those turn to whose question no incident covers (R11): a page, a mail address or a phone number each, as it is
# shown; without one they are named alone.
_site = "" if REAL else "https://www.quillmark.example"
TURN_TO_SERVICES: str = env.str("TURN_TO_SERVICES", default=_site and f"{_site}/services/")
TURN_TO_PARTNERS: str = env.str("TURN_TO_PARTNERS", default=_site and f"{_site}/partners/")
TURN_TO_ONSITE: str = env.str("TURN_TO_ONSITE", default=_site and f"{_site}/onsite/")

# Card payments (D32). Without keys they are not set up, and everything else works.
_provider = provider_settings(env.ENVIRON, demo=DEMO)
STRIPE_SECRET_KEY: str = _provider.secret_key
STRIPE_PUBLISHABLE_KEY: str = _provider.publishable_key
STRIPE_WEBHOOK_SECRETS: list[str] = list(_provider.webhook_secrets)
STRIPE_API_BASE: str = _provider.api_base
STRIPE_SCRIPT_URL: str = _provider.script_url
# For the policy of the pages with card fields alone; all others load nothing from there.
STRIPE_FRAME_ORIGINS: list[str] = list(_provider.frame_origins)
STRIPE_CONNECT_ORIGINS: list[str] = list(_provider.connect_origins)
STRIPE_TIMEOUT_SECONDS: int = _provider.timeout_seconds

AUTH_USER_MODEL = "people.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "portal:home"
LOGOUT_REDIRECT_URL = "portal:home"
ACCOUNT_LOGOUT_REDIRECT_URL = "portal:home"
ACCOUNT_ADAPTER = "supportdesk.people.adapter.Adapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = True
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_RATE_LIMITS = {
    "login": "60/m/ip",
    "login_failed": "10/m/ip,5/5m/key",
    "request_login_code": f"60/h/ip,{POLICY.unauthenticated_mails_an_hour}/h/key",
    "reset_password": f"60/h/ip,{POLICY.unauthenticated_mails_an_hour}/h/key",
}

LANGUAGE_CODE = "en"
# A language stands here once all pages and mails speak it; half of one would be none.
LANGUAGES = [("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles")))
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = DEMO or DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEMO or DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "style-src": [SELF],
        "script-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "frame-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = SECURE and env.bool("SSL_REDIRECT", default=True)
SECURE_REDIRECT_EXEMPT = [r"^healthz(/mail)?$"]
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
# Pins every other host below the desk's, too: only its owner can know whether all of them speak TLS.
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE and env.bool("HSTS_SUBDOMAINS", default=False)
BEHIND_PROXY: bool = env.bool("BEHIND_PROXY", default=False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
# Whose address the rate limits go by: behind a proxy that of X-Forwarded-For which the proxy wrote itself.
ALLAUTH_TRUSTED_PROXY_COUNT: int = env.int("PROXY_COUNT", default=1 if BEHIND_PROXY else 0)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_NAME = "__Host-session" if SECURE else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if SECURE else "csrf"
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 14 * 24 * 3600
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
# More files than a message may have are for the form to refuse, with all that was typed.
DATA_UPLOAD_MAX_NUMBER_FILES = 1_000
FILE_UPLOAD_HANDLERS = ["supportdesk.uploads.BoundedUploadHandler"]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"tokens": {"()": "supportdesk.web_logs.TokenFilter"}},
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["tokens"]}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
}
