"""Records in a database, SQLite or PostgreSQL. The only place that knows SQLAlchemy."""

from __future__ import annotations

from pytest_mltraq.storage.database import Database

__all__ = ["Database"]
