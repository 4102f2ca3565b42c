# Puts the new configuration, which is the input, in its place and makes HAProxy load it, one at a time. The values
# before this line are quoted assignments: reload is empty where the running process has all of it already.
set -eu
umask 077
new=$(mktemp "$config.XXXXXXXXXX")
trap 'rm -f "$new"' EXIT
trap 'exit 1' HUP INT TERM
cat >"$new"
exec 9>>/run/lock/haproxycfg
flock -w 120 9 || { echo "another reload does not come to its end" >&2; exit 1; }

ask() { # ask SOCKET COMMAND
	perl -MIO::Socket::UNIX -e '
		$SIG{ALRM} = sub { die "$ARGV[0]: no answer\n" }; alarm 30;
		my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "$ARGV[0]: $!\n";
		print $s "$ARGV[1]\n"; $s->flush; shutdown($s, 1); print while <$s>' "$1" "$2"
}

reloads() { # how many there were, and how many of the last ones failed; nothing while the master starts itself anew
	ask "$master" "show proc" 2>/dev/null | awk '$2 == "master" { print $3, $5 + 0 }'
}

worker() { # the process that serves now
	ask "$master" "show proc" 2>/dev/null | awk '$2 == "worker" && $3 == 0 { print $1; exit }'
}

answers() { ask "$socket" "show info" 2>/dev/null | awk '$1 == "Pid:" { print $2 }'; }

save() { # what is known of the servers, complete or not at all
	[ -S "$socket" ] || return 0
	ask "$socket" "show servers state" >"$state.new"
	[ "$(head -n 1 "$state.new")" = 1 ] && [ -z "$(tail -n 1 "$state.new")" ] || { echo "the servers' state came incomplete" >&2; return 1; }
	mv -f "$state.new" "$state"
}

load() { # 0: a new process serves
	before=$(reloads)
	[ -n "$before" ] || { echo "$master does not answer" >&2; return 1; }
	since=$(date +%s)
	said=$(ask "$master" reload) || true
	[ -z "$said" ] || printf '%s\n' "$said" >&2
	i=0
	while now=$(reloads); [ -z "$now" ] || [ "${now% *}" = "${before% *}" ]; do
		i=$((i + 1)); [ $i -le 600 ] || { echo "no reload after a minute" >&2; return 1; }
		sleep 0.1
	done
	if [ "${now#* }" != 0 ]; then
		[ -n "$said" ] || log # 2.6 does not say why
		return 1
	fi
	i=0
	while pid=$(worker); [ -z "$pid" ] || [ -S "$socket" ] && [ "$(answers)" != "$pid" ]; do
		i=$((i + 1)); [ $i -le 300 ] || { echo "the new process does not answer" >&2; return 1; }
		sleep 0.1
	done
}

log() { # what HAProxy wrote since
	journalctl --sync || true
	journalctl -q -o cat -u "$unit" --since "@$since" >&2 || true
}

place() { chmod 0640 "$1" && mv -f "$1" "$2"; }

ours() { # HAProxy passes its socket on to the next process as it is, whatever the configuration says of its group
	[ ! -S "$socket" ] || chgrp "${group:-root}" "$socket"
}

good() { cp "$config" "$good.new" && place "$good.new" "$good"; }

back() { # the last good configuration serves again
	cp "$good" "$config.new" && place "$config.new" "$config"
}

running=$(systemctl is-active "$unit") || true
[ -z "$reload" ] || [ "$running" != active ] || save
[ -s "$good" ] || [ ! -s "$config" ] || good
place "$new" "$config"
echo placed
if [ -z "$reload" ]; then
	good
	exit 0
fi
if [ "$running" = active ]; then
	if load; then
		ours
		good
		printf '1\n' >"$state"
		exit 0
	fi
	back
	load 2>/dev/null && echo "rolled back"
	printf '1\n' >"$state"
else
	printf '1\n' >"$state"
	since=$(date +%s)
	if systemctl start "$unit"; then
		good
		exit 0
	fi
	log
	[ ! -s "$good" ] || { back; systemctl start "$unit" && echo "rolled back"; }
fi
exit 1
