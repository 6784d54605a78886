# One image for web, worker, beat, gateway, fetcher and migrate; docker-compose.yml says who runs what.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 \
    DJANGO_SETTINGS_MODULE=supportdesk.settings DESK_HOME=/var/lib/desk STATIC_ROOT=/srv/desk/staticfiles

# The folder of files is a volume: a new one takes over whose it is here.
RUN useradd --system --create-home --home-dir /var/lib/desk --shell /usr/sbin/nologin desk \
    && install --directory --owner desk --group desk --mode 0700 /var/lib/desk/files
WORKDIR /srv/desk

# Before the code, so that a change of the code does not install everything anew
COPY requirements.txt ./
RUN pip install --require-hashes -r requirements.txt

# .dockerignore names what the desk consists of
COPY . .

# The settings want a key and a database even where only files are collected; neither is used, nor kept.
RUN SECRET_KEY=build DATABASE_URL=postgres://nobody@nowhere/none BASE_URL=https://nowhere MAIL_DOMAIN=nowhere MAIL_HOST=nowhere \
    python manage.py collectstatic --noinput

USER desk
EXPOSE 8000 2525
CMD ["gunicorn", "supportdesk.wsgi:application", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "8", "--worker-tmp-dir", "/dev/shm", "--no-control-socket", "--access-logfile", "-", "--logger-class", "supportdesk.web_logs.TokenlessLogger"]
