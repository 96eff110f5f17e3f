"""What is shown of a running proxy, and what may be told to it.

``source``   where it is looked up: the server's sessions, its tally, its policy, the jobs of its databases
``rows``     one table for each SHOW: the console, the page, ``/metrics`` and ``interlock status`` render these and no others
``words``    the console's language: SHOW CLIENTS, RETRY JOB 12
``console``  psql and drivers: the wire protocol, by the door of ``door``
``http``     /metrics, /healthz, the page
"""
