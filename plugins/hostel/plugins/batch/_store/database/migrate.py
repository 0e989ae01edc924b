"""Brings a database to this release's schema."""

from pathlib import Path

import sqlalchemy as sa

from ..._model.errors import SchemaTooNew
from . import dialect
from .schema import REVISION

_VERSIONS = Path(__file__).parents[2] / "migrations"


def migrate(connection: sa.Connection) -> None:
    """Migrate where needed.

    :raises SchemaTooNew: if a newer release wrote the database
    """
    # looked at without a lock first: nearly every opening finds the schema as it should be
    if _revision(connection) != REVISION:
        dialect.lock_schema(connection)
        _upgrade(connection)


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_VERSIONS))
    config.attributes["connection"] = connection
    found = _revision(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise SchemaTooNew(found)
    command.upgrade(config, "head")
