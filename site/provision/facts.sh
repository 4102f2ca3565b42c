# Gathers the facts of a host. Every value that is put out is one token that ends in NUL; a record is a tag and a
# fixed number of tokens. Nothing on the host is changed.
export LC_ALL=C TMPDIR=/var/tmp PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 077
cd / || exit 1
V=/var/lib/siteblocks/provision R=/run/siteblocks/provision J=/var/lib/siteblocks/provision/journal
newline='
'

emit() { printf '%s\0' "$@"; }

lock() { # seconds: wait for a run that changes the host
	[ -e "$R/lock" ] || return 0
	exec 9<"$R/lock"
	flock -s -w "$1" 9 || { emit locked "$(cat "$R/holder" 2>/dev/null)"; exit 0; }
}

at() { # path: sets $at to where it is looked at; a path of an interrupted change is looked at as it was before
	at=$1
	[ -d "$J" ] && grep -qxF -e "$1" "$J/paths" || return 0
	at=$J/root$1
}

system() {
	( . /etc/os-release; emit os "${ID-}" "${VERSION_ID-}" "${VERSION_CODENAME-}" "$(dpkg --print-architecture)" )
	emit generation "$(cat "$V/generation" 2>/dev/null)"
	[ ! -d "$J" ] || emit interrupted "$(cat "$J/name")"
	for left in "$V/stage" "$V/journal.new" "$V/journal.done" "$V/temps" "$V/policy" "$R/stage"; do
		[ ! -e "$left" ] || emit leftover "$left"
	done
	for debt in "$V"/owed/*; do
		[ ! -e "$debt" ] || emit owed "${debt##*/}"
	done
	for d in /run /var/lib; do emit free "$d" "$(df -Pk "$d" | awk 'NR == 2 { print $4 }')"; done
}

paths() { # path…
	for p; do at "$p"; printf '%s\0' "$at"; done |
		find -files0-from - -maxdepth 0 -printf 'path\0%p\0%y\0%m\0%u\0%g\0%U\0%G\0%s\0%l\0' 2>/dev/null
}

entries() { # directory…: what is in them, as it is looked at
	for d; do
		for p in "$d"/* "$d"/.[!.]* "$J/root$d"/* "$J/root$d"/.[!.]*; do paths "${p#"$J/root"}"; done
	done
}

regular() { # path…: those that are regular files, as they are looked at
	for p; do
		at "$p"
		if [ -f "$at" ] && [ ! -L "$at" ]; then printf '%s\0' "$at"; fi
	done
}

sums() { # path…
	sums=$(regular "$@" | xargs -0r sha256sum -z -- | tr '\0' '\n')
	emit sums "$sums"
}

texts() { # sum path…: contents of the small ones that have another sum
	{
		printf '%s\n--\n' "$sums"
		while [ $# -gt 1 ]; do
			at "$2"
			printf '%s  %s\n' "$1" "$at"
			shift 2
		done
	} | awk 'wanted { if (!($0 in have)) print substr($0, 67); next } $0 == "--" { wanted = 1; next } { have[$0] = 1 }' |
		while IFS= read -r p; do
			if [ -f "$p" ] && [ ! -L "$p" ]; then emit text "$p" "$(head -c 65537 -- "$p" | base64 -w0)"; fi
		done
}

packages() { # name|name…
	missing=
	for names; do
		set -f; IFS='|'; set -- $names; unset IFS; set +f
		found=
		for name; do
			status=$(dpkg-query -W -f='${db:Status-Status} ' -- "$name" 2>/dev/null)
			[ -z "$status" ] || emit package "$name" "${status%% *}"
			[ "${status%% *}" = installed ] && found=1
		done
		[ -n "$found" ] || missing="$missing $*"
	done
	[ -z "$missing" ] || emit policy "$(apt-cache policy -- $missing 2>/dev/null)"
}

users() {
	for u; do
		entry=$(getent passwd "$u") && emit user "$u" "$entry" "$(id -gn -- "$u")" "$(id -Gn -- "$u")"
	done
}

groups() {
	for g; do getent group "$g" >/dev/null && emit group "$g"; done
}

units() {
	for u; do
		emit unit "$u" "$(systemctl show -p LoadState -p ActiveState -p SubState -p UnitFileState -p NeedDaemonReload -- "$u")"
	done
}

instances() { # template
	prefix=${1%@*}@
	emit instances "$1" "$(
		systemctl list-units --state=active,activating,reloading --plain --no-legend --no-pager --full -- "$prefix*.${1##*.}" | cut -d' ' -f1
		for l in /etc/systemd/system/*/"$prefix"*."${1##*.}"; do [ ! -L "$l" ] || printf '%s\n' "${l##*/}"; done
	)"
}

guard() { # name user unless onlyif
	excluded= satisfied= said=
	if [ -n "$4" ] && ! quietly "$2" "$4" 2>/dev/null; then excluded=1; fi
	if [ -n "$3" ] && [ -z "$excluded" ]; then
		# Why it is to run, if the guard says so on its standard error.
		if said=$(quietly "$2" "$3" 2>&1); then satisfied=1 said=; fi
	fi
	emit guard "$1" "$satisfied" "$excluded" "$(printf '%s' "$said" | head -c 2000)"
}

quietly() { # user script
	printf '%s' "$2" | as "$1" 60 3<&0 </dev/null >/dev/null
}
