#!/bin/sh
# Makes the secrets of compose.yaml in the folder `secrets`, or in the one that is named; what is
# there stays. The first key of the gate is in `first-key`, which no container gets.
set -eu
umask 077

folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"

if [ -e "$folder/first-key" ]; then
  echo "$folder has secrets already" >&2
  exit 1
fi

random() {
  head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'
}

random > "$folder/postgres-password"
for name in mlflow headgate; do
  password=$(random)
  printf %s "$password" > "$folder/$name-database-password"
  # The network between the containers is theirs alone, and has no TLS.
  tls=$([ "$name" = headgate ] && echo '?sslmode=disable' || true)
  printf 'postgresql://%s:%s@database/%s%s\n' "$name" "$password" "$name" "$tls" > "$folder/$name-database-url"
done

# One word or several, such as HEADGATE="docker run -i --rm --network none headgate".
headgate=${HEADGATE:-headgate}
$headgate keys make > "$folder/first-key" 2> "$folder/errors" || {
  cat "$folder/errors" >&2
  rm "$folder/errors" "$folder/first-key"
  exit 1
}
rm "$folder/errors"
$headgate keys digest < "$folder/first-key" > "$folder/first-key-sha256"

# Containers run as users of their own and read these through the folder that only you can enter.
chmod 0444 "$folder"/*-password "$folder"/*-url "$folder"/first-key-sha256
echo "made the secrets in $folder; the first key of the gate, an administrator's, is in $folder/first-key"
