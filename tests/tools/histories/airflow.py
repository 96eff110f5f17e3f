"""Apache Airflow: Alembic, all migrations in one transaction."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from tests.tools.application import HISTORY_S, Application
from tests.tools.packages import python_path
from tests.tools.scenario import fetched, run_program
from tests.tools.ways import Ran, Way

SITE = partial(python_path, "airflow")
UPGRADE = """
import sys
import airflow.settings
from alembic import command
from airflow.utils.db import _get_alembic_config
command.upgrade(_get_alembic_config(), sys.argv[1])
"""


def migrate(folder: Path, way: Way, until: str) -> Ran:
    env = {
        "PYTHONPATH": str(SITE()),
        "AIRFLOW_HOME": str(folder / "home"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": way.url.replace("postgresql://", "postgresql+psycopg2://"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    return run_program(folder, sys.executable, "-c", UPGRADE, until or "heads", env=env, timeout_s=HISTORY_S)


APPLICATION = Application(
    "Apache Airflow 2.11",
    "Alembic, SQLAlchemy 1.4 (psycopg2 2.9)",
    "alembic",
    migrate,
    early="852ae6c715af",
    count=lambda: len([*(SITE() / "airflow/migrations/versions").glob("[0-9]*.py")]),
    absent=fetched(SITE),
)
