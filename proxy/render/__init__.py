"""What was decided, for people and for programs.

``text``      findings with their place, and the summary
``plans``     plans step by step, as ``interlock plan`` and ``EXPLAIN <ddl>`` answer them
``document``  JSON
``review``    what a code review shows: a place in a file of the repository, and what is found there
``github``    ``review`` as workflow commands of GitHub Actions
``sarif``     ``review`` as SARIF 2.1.0
``gitlab``    ``review`` as a Code Quality report of GitLab
"""
