# Interlock by itself: no Postgres inside.  docker compose up shows it at work.
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY policies policies
COPY proxy proxy
RUN python -m venv /opt/interlock && /opt/interlock/bin/pip install --no-cache-dir .

FROM python:3.11-slim
RUN useradd --system --create-home interlock
COPY --from=build /opt/interlock /opt/interlock
ENV PATH=/opt/interlock/bin:$PATH PYTHONUNBUFFERED=1
USER interlock
WORKDIR /home/interlock
EXPOSE 6432
# An exec form, so that SIGTERM drains and SIGHUP reloads.
ENTRYPOINT ["interlock"]
CMD ["serve", "--listen", "0.0.0.0:6432"]
