#!/bin/sh
# Makes the databases of MLflow and of the gate's key store, each with an owner of its own.
# PostgreSQL's image runs it once, when its data folder is new.
set -eu

secrets=${SECRETS:-/run/secrets}

for name in mlflow headgate; do
  # On standard input, so that no list of processes shows the password.
  psql --set ON_ERROR_STOP=1 --no-psqlrc --quiet --username "${POSTGRES_USER:-postgres}" postgres <<EOF
CREATE ROLE $name LOGIN PASSWORD '$(cat "$secrets/$name-database-password")';
CREATE DATABASE $name OWNER $name ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE $name FROM PUBLIC;
EOF
done
