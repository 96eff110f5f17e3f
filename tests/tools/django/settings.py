"""The least that a project with Django's usual apps needs; the database is that of DATABASE_URL."""

import os
import sys
from urllib.parse import urlsplit

# Django takes psycopg 3 where it is installed, and psycopg 2 where it is not.
if os.environ.get("DRIVER") == "psycopg2":
    sys.modules["psycopg"] = None  # type: ignore[assignment]

_url = urlsplit(os.environ["DATABASE_URL"])

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": _url.hostname,
        "PORT": _url.port,
        "USER": _url.username,
        "NAME": _url.path.removeprefix("/"),
    }
}
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "shop"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SECRET_KEY = "a test has no secrets"
USE_TZ = True
