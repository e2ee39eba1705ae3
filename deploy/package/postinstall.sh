#!/bin/sh
# After installation and upgrade: the account that the service runs as. A running platform
# goes on with the old program until it is restarted.
set -e
if ! getent passwd protei-bulk >/dev/null; then
	useradd --system --user-group --home-dir /var/lib/protei-bulk --shell /usr/sbin/nologin protei-bulk
fi
chgrp protei-bulk /etc/protei-bulk /etc/protei-bulk/bulk.yaml
chmod 0750 /etc/protei-bulk
chmod 0640 /etc/protei-bulk/bulk.yaml
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
