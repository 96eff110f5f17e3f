"""Airflow: Alembic, a transaction for each migration, and the lock in one on a second connection, open over all of them."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from tests.tools.application import HISTORY_S, Application
from tests.tools.packages import python_path
from tests.tools.scenario import fetched, run_program
from tests.tools.ways import Ran, Way

SITE = partial(python_path, "airflow")
# Its own --to-revision goes on to use tables as they are at the end.
UNTIL = "import sys; from alembic import command; from airflow.utils.db import _get_alembic_config as c; command.upgrade(c(), sys.argv[1])"


def migrate(folder: Path, way: Way, until: str) -> Ran:
    env = {
        "PYTHONPATH": str(SITE()),
        "PYTHONHASHSEED": "0",  # the order of a set of permissions is that of their ids
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": way.url.replace("postgresql://", "postgresql+psycopg2://"),
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    command = ("-c", UNTIL, until) if until else ("-m", "airflow", "db", "migrate", "--use-migration-files")
    return run_program(folder, sys.executable, *command, env=env, timeout_s=HISTORY_S)


APPLICATION = Application(
    "Airflow 2.11",
    "Alembic 1.19, SQLAlchemy 1.4 (psycopg2 2.9)",
    "alembic",
    migrate,
    early="e959f08ac86c",  # 2.0.0
    of_runs=("public.log",),
    count=lambda: len([*(SITE() / "airflow/migrations/versions").glob("0*.py")]),
    absent=fetched(SITE),
)
