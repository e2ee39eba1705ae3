#!/usr/bin/env bash
# Programs that some tests use for real: a browser for the pages, Node.js for an SMPP
# client and an SMSC that are not ours, Kannel as a client over HTTP and over SMPP,
# Locust to ask what our load tester asks, HAProxy to read the example of its configuration, PostgreSQL and Redis for what is kept and watched there (the tests start private ones).
# Missing ones are installed where that is possible without
# asking (Debian or Ubuntu, as root); otherwise this says how, and the tests that need
# them fail and say the same.
set -u
missing=()
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
command -v redis-server >/dev/null || missing+=(redis-server)
command -v bearerbox >/dev/null || missing+=(kannel)
command -v locust >/dev/null || missing+=(python3-locust)
command -v haproxy >/dev/null || missing+=(haproxy)
command -v postgres >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)
[ ${#missing[@]} -eq 0 ] && exit 0
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  echo "installing ${missing[*]} for the tests that use them"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null && exit 0
fi
echo "Some tests need: ${missing[*]}"
echo "  Debian, Ubuntu:  sudo apt-get install ${missing[*]}"
exit 0
