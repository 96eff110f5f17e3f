"""Wagtail with all its apps: Django, a transaction for each migration."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from tests.tools.application import HISTORY_S, Application
from tests.tools.packages import python_path
from tests.tools.scenario import fetched, run_program
from tests.tools.ways import Ran, Way

SITE = partial(python_path, "wagtail")
SETTINGS = """
import os, urllib.parse
url = urllib.parse.urlparse(os.environ["URL"])
DATABASES = {"default": {
    "ENGINE": "django.db.backends.postgresql", "NAME": url.path[1:], "USER": url.username, "HOST": url.hostname, "PORT": url.port,
}}
SECRET_KEY = "s"
STATIC_URL = "/static/"
MEDIA_URL = "/media/"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
WAGTAIL_SITE_NAME = "shop"
WAGTAILADMIN_BASE_URL = "http://localhost"
INSTALLED_APPS = [
    "wagtail.contrib.forms", "wagtail.contrib.redirects", "wagtail.contrib.settings", "wagtail.contrib.search_promotions",
    "wagtail.embeds", "wagtail.sites", "wagtail.users", "wagtail.snippets", "wagtail.documents", "wagtail.images",
    "wagtail.search", "wagtail.admin", "wagtail", "modelcluster", "taggit",
    "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
    "django.contrib.messages", "django.contrib.staticfiles",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {"context_processors": [
    "django.contrib.auth.context_processors.auth", "django.contrib.messages.context_processors.messages",
    "django.template.context_processors.request",
]}}]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
ROOT_URLCONF = "wagtail.admin.urls"
"""
EARLY = (
    "auth 0001 wagtailcore 0029 wagtailimages 0022 wagtaildocs 0007 wagtailredirects 0001 wagtailembeds 0001 wagtailforms 0001"
    " wagtailusers 0001 wagtailsearch 0001 wagtailsearchpromotions 0001 taggit 0001 wagtailadmin 0001 sessions 0001"
)
UNTIL = """
import sys, django
from django.core.management import call_command
django.setup()
for app, name in zip(sys.argv[1::2], sys.argv[2::2]):
    call_command("migrate", app, name)
"""


def migrate(folder: Path, way: Way, until: str) -> Ran:
    """``until``: an app and its migration, and so on."""
    (folder / "settings.py").write_text(SETTINGS)
    env = {"PYTHONPATH": f"{SITE()}:{folder}", "DJANGO_SETTINGS_MODULE": "settings", "URL": way.url}
    command = ["-c", UNTIL, *until.split()] if until else ["-m", "django", "migrate"]
    return run_program(folder, sys.executable, *command, env=env, timeout_s=HISTORY_S)


def count() -> int:
    """Without what squashes others, and what Wagtail has for its own tests."""
    django = [SITE() / "django/contrib" / app / "migrations" for app in ("admin", "auth", "contenttypes", "sessions")]
    wagtail = [folder for folder in SITE().glob("wagtail/**/migrations") if "test" not in folder.parts]
    paths = [path for folder in [*django, *wagtail, SITE() / "taggit/migrations"] for path in folder.glob("0*.py")]
    return len([path for path in paths if "squashed" not in path.name])


APPLICATION = Application(
    "Wagtail 8.0",
    "Django 5.2 (psycopg 3.3)",
    "django",
    migrate,
    early=EARLY,
    seeds={"wagtailforms_formsubmission": {"form_data": "'{}'"}},
    differs={"wagtailcore_page": ["translation_key"]},  # a random UUID
    unseeded=("wagtailcore_pagerevision", "wagtailsearchpromotions_searchpromotion"),
    mends={  # 0070 is not atomic
        "public.wagtailcore_revision": "ALTER TABLE wagtailcore_revision RENAME COLUMN page TO page_id;"
        " ALTER TABLE wagtailcore_revision RENAME TO wagtailcore_pagerevision",
    },
    count=count,
    oldest=14,
    absent=fetched(SITE),
)
