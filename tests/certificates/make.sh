#!/bin/sh
# Makes the certificates of this folder: for tests only, valid for a hundred years, keys in the open.
set -eu
cd "$(dirname "$0")"
days=36500
authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days $days -subj "/CN=$2" \
        -addext basicConstraints=critical,CA:TRUE -keyout "$1.key" -out "$1.crt" 2>/dev/null
}
signed() { # name, subject, extensions
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "$2" -keyout "$1.key" -out "$1.csr" 2>/dev/null
    printf '%s\n' "$3" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days $days -extfile "$1.ext" -out "$1.crt" 2>/dev/null
    rm -f "$1.csr" "$1.ext"
}
authority ca "Interlock test authority"
authority stranger "Some other authority"
signed server /CN=localhost "subjectAltName=DNS:localhost,IP:127.0.0.1"
signed elsewhere /CN=elsewhere.example "subjectAltName=DNS:elsewhere.example"
signed client /CN=postgres "extendedKeyUsage=clientAuth"
rm -f ca.key stranger.key ca.srl
