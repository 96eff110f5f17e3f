"""MLflow's tracking store: Alembic, all migrations in one transaction."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from tests.tools.application import HISTORY_S, Application
from tests.tools.packages import python_path
from tests.tools.scenario import fetched, run_program
from tests.tools.ways import Ran, Way

SITE = partial(python_path, "mlflow")
UPGRADE = """
import sys, sqlalchemy
from alembic import command
from mlflow.store.db.utils import _get_alembic_config
from mlflow.store.tracking.dbmodels.initial_models import Base
engine = sqlalchemy.create_engine(sys.argv[1])
Base.metadata.create_all(engine)
command.upgrade(_get_alembic_config(sys.argv[1]), sys.argv[2])
"""


def migrate(folder: Path, way: Way, until: str) -> Ran:
    url = way.url.replace("postgresql://", "postgresql+psycopg2://")
    return run_program(
        folder,
        sys.executable,
        "-c",
        UPGRADE,
        url,
        until or "heads",
        env={"PYTHONPATH": str(SITE())},
        timeout_s=HISTORY_S,
    )


APPLICATION = Application(
    "MLflow 3.17",
    "Alembic 1.20, SQLAlchemy 2.1 (psycopg2 2.9)",
    "alembic",
    migrate,
    early="867495a8f9d4",
    count=lambda: len([*(SITE() / "mlflow/store/db_migrations/versions").glob("[0-9a-f]*.py")]),
    absent=fetched(SITE),
)
