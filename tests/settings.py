"""The project's settings over the tests' own database server, so that a running demo is never touched."""

import os
from pathlib import Path

from supportdesk import embedded

HOME = Path(os.environ.setdefault("DESK_HOME", str(Path(__file__).resolve().parent.parent / ".desk" / "test")))
HOME.mkdir(parents=True, exist_ok=True)
if "TEST_DATABASE_URL" in os.environ:
    os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]
    os.environ["DATABASE_OWNER_URL"] = os.environ["TEST_DATABASE_OWNER_URL"]
else:
    os.environ["DATABASE_URL"], os.environ["DATABASE_OWNER_URL"] = embedded.test_database_urls(HOME)
os.environ.setdefault("SECRET_KEY", "tests only, and long enough to be taken for a key")
os.environ.setdefault("DEMO", "1")
os.environ.setdefault("BASE_URL", "http://testserver")
os.environ.setdefault("LOG_LEVEL", "WARNING")
# Nobody listens there: a test that pays takes the fixture ``provider``, which starts one and points here.
os.environ |= {
    "STRIPE_SECRET_KEY": "sk_test_desk",
    "STRIPE_PUBLISHABLE_KEY": "pk_test_desk",
    "STRIPE_WEBHOOK_SECRETS": "whsec_desk",
    "STRIPE_API_BASE": "http://127.0.0.1:9",
    "STRIPE_SCRIPT_URL": "http://127.0.0.1:9/v3/",
    "STRIPE_FRAME_ORIGINS": "http://127.0.0.1:9",
    "STRIPE_CONNECT_ORIGINS": "http://127.0.0.1:9",
}

from supportdesk.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
WHITENOISE_AUTOREFRESH = True
# Of each process that runs tests beside others its own: what one writes is no stray of another.
FILES_DIR = HOME / "files" / os.environ.get("PYTEST_XDIST_WORKER", "alone")
STATIC_ROOT = HOME / "static"
STATIC_ROOT.mkdir(exist_ok=True)
