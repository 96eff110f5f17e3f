# Interlock by itself: no Postgres inside.  docker compose up shows it at work; docs/deployment.md has more.
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY policies policies
COPY proxy proxy
RUN python -m venv /opt/interlock && /opt/interlock/bin/pip install --no-cache-dir '.[admin]'

FROM python:3.11-slim
# A number, so that Kubernetes can tell that it is not root.
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin interlock && install -d -o interlock /var/log/interlock
COPY --from=build /opt/interlock /opt/interlock
ENV PATH=/opt/interlock/bin:$PATH PYTHONUNBUFFERED=1 INTERLOCK_ADMIN=127.0.0.1:9127
USER 10001
WORKDIR /home/interlock
EXPOSE 6432
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s \
  CMD ["python", "-c", "import os, ssl, urllib.request as r; e = os.environ; r.urlopen(('https' if e.get('INTERLOCK_ADMIN_TLS') else 'http') + '://127.0.0.1:' + e['INTERLOCK_ADMIN'].rpartition(':')[2] + '/readyz', timeout=6, context=ssl._create_unverified_context())"]
# An exec form, so that SIGTERM drains and SIGHUP reloads.
ENTRYPOINT ["interlock"]
CMD ["serve", "--listen", "0.0.0.0:6432"]
