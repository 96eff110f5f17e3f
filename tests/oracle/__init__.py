"""Our reading of SQL against Postgres's own, at full detail and at length: ``make sql-oracle``.

``sources`` fetches SQL that people wrote from the package registries, ``corpus`` cuts it into statements that libpg_query
accepts, ``places`` and ``verdict`` compare, ``mutants`` and ``lexing`` make up what nobody has written.
"""
