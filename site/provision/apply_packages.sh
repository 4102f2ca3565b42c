
apt() {
	apt-get -q -y -o DPkg::Lock::Timeout="$wait" -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
		-o Dpkg::Use-Pty=0 "$@"
}

unlocked() { # command…: again while another program holds the lock of the package lists, of the downloads or of dpkg
	deadline=$(($(date +%s) + wait))
	while :; do
		"$@" 2>"$R/stage/errors"
		status=$?
		cat "$R/stage/errors"
		[ "$status" != 0 ] && grep -q -e 'Could not get lock' -e 'is locked by another process' -e 'frontend lock' "$R/stage/errors" || return "$status"
		[ "$(date +%s)" -lt "$deadline" ] || return "$status"
		echo "waiting for another program that uses apt"
		sleep 2
	done
}

installed() { [ "$(dpkg-query -W -f='${db:Status-Status} ' -- "$1" 2>/dev/null | cut -d' ' -f1)" = installed ]; }

offered() { # name: whether apt has a candidate for it
	case $(apt-cache policy -- "$1" 2>/dev/null) in
	*"Candidate: (none)"*) return 1 ;;
	*"Candidate: "*) return 0 ;;
	esac
	return 1
}

choose() { # name|name…: sets $chosen to those that are to be installed, $unknown to names that apt does not have
	chosen= unknown=
	for names; do
		set -f; IFS='|'; set -- $names; unset IFS; set +f
		pick=
		for name; do
			if installed "$name"; then pick=installed; break; fi
		done
		[ -z "$pick" ] || continue
		for name; do
			if offered "$name"; then pick=$name; break; fi
		done
		if [ -n "$pick" ]; then chosen="$chosen $pick"; else unknown="$unknown $names"; fi
	done
}

interrupted() { [ -n "$(dpkg --audit)" ] || [ -n "$(find /var/lib/dpkg/updates -name '[0-9]*' -print -quit)" ]; }

repair() { # what a killed dpkg left behind
	interrupted || return 0
	echo "dpkg was interrupted: it is repaired first"
	sealed "$(cat "$V/sealed" 2>/dev/null)" configure # what was not to start does not start now
}

configure() {
	unlocked dpkg --force-confdef --force-confold --configure -a
	configured=$?
	# What was killed while it was unpacked cannot be configured, and apt takes it for installed.
	chosen=$(dpkg-query -W -f='${db:Status-Eflag} ${binary:Package}\n' | sed -n 's/^reinstreq //p')
	[ -z "$chosen" ] || install_chosen --reinstall || return
	[ "$configured" = 0 ] || unlocked apt -f install
}

update() {
	apt_updated=1
	unlocked apt -o Acquire::Retries=3 update && : >"$V/apt-updated"
}

fresh_lists() {
	[ -n "$(find "$V/apt-updated" /var/lib/apt/lists/partial -maxdepth 0 -mmin -1440 2>/dev/null)" ]
}

packages() { # "no start" or nothing, name|name…
	seal=$1
	shift
	choose "$@"
	[ -n "$chosen$unknown" ] || return 0
	touch_owes && repair || return
	choose "$@"
	if [ -n "$unknown" ] || { [ -n "$chosen" ] && ! fresh_lists; } && [ -z "$apt_updated" ]; then
		update
		choose "$@"
	fi
	[ -z "$unknown" ] || { echo "apt offers no package$unknown"; return 1; }
	[ -n "$chosen" ] || return 0
	sealed "$seal" install_chosen
}

install_chosen() { # options for apt
	unlocked apt --no-install-recommends "$@" install $chosen && return
	[ -z "$apt_updated" ] || return 1
	echo "once more, with fresh package lists"
	update && unlocked apt --no-install-recommends "$@" install $chosen
}

sealed() { # "no start" or nothing, function; the mark stays until all that it installs is configured
	[ -n "$1" ] || { "$2"; return; }
	printf '%s' "$1" >"$V/sealed" && seal || return
	"$2"
	status=$?
	unseal
	return "$status"
}

seal() { # packages ask policy-rc.d whether they may start their services; the host's own one is kept and put back
	rm -rf "$V/policy.new" && mkdir -p "$V/policy.new" || return
	[ ! -e /usr/sbin/policy-rc.d ] || cp -a /usr/sbin/policy-rc.d "$V/policy.new/policy-rc.d" || return
	mv -T "$V/policy.new" "$V/policy" || return
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d
}

unseal() {
	[ ! -e "$V/sealed" ] || interrupted || rm -f "$V/sealed"
	[ -d "$V/policy" ] || return 0
	if [ -e "$V/policy/policy-rc.d" ]; then
		cp -a "$V/policy/policy-rc.d" /usr/sbin/policy-rc.d || return
	else
		rm -f /usr/sbin/policy-rc.d
	fi
	rm -rf "$V/policy"
}
