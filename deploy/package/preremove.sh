#!/bin/sh
# Before removal, not before an upgrade ("upgrade" from dpkg, 1 from rpm): stop the service.
set -e
case "$1" in
upgrade | 1) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
	systemctl --no-reload disable --now protei-bulk.service
fi
