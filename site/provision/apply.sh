# Functions by which one plan is applied. Lines that begin with the mark are for the program, everything else is
# output of the running change. A function leaves the host as it was where it fails, and can run twice.
export LC_ALL=C TMPDIR=/var/tmp PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
umask 077
cd / || exit 1
exec 2>&1
V=/var/lib/siteblocks/provision R=/run/siteblocks/provision J=/var/lib/siteblocks/provision/journal
child= changed= fresh= owes= index=0 units_changed= started= apt_updated=

say() { printf '\n%s %s\n' "$mark" "$*"; }

prepare() { # generation seconds
	(umask 022; mkdir -p "${V%/*}" "${R%/*}") && mkdir -p "$V/owed" "$R" && chmod 700 "$V" "$R" || return
	exec 9>>"$R/lock"
	flock -w "$2" 9 || { say locked "$(cat "$R/holder")"; exit 75; }
	trap 'clean' EXIT
	trap '[ -z "$child" ] || kill -s TERM "$child"; exit 143' HUP INT TERM
	current=$(cat "$V/generation" 2>/dev/null)
	[ "$current" = "$1" ] || { say stale; exit 76; }
	echo "process $$ since $(date -u +%FT%TZ)" >"$R/holder" || return
	clean
	[ ! -d "$J" ] || rollback || return
	tar -xzm --no-same-owner -f - -C / || return
	[ -e "$R/stage/complete" ] || { echo "the upload ended early"; return 1; }
	echo "$((${current:-0} + 1))" >"$V/generation.new" && mv -fT "$V/generation.new" "$V/generation"
}

clean() { # what this run or a killed one left behind; an unchecked configuration is rollback's
	if [ -e "$V/temps" ]; then
		while IFS= read -r p; do
			case $p in /*.siteblocks-new) rm -f -- "$p" ;; esac
		done <"$V/temps"
	fi
	unseal
	rm -rf "$V/temps" "$V/stage" "$R/stage" "$J.new" "$J.done" "$V/generation.new"
}

run() { # number function
	index=$1 changed= fresh=
	say begin "$index"
	"$2" </dev/null || failed "$?"
	if [ -n "$changed" ]; then say done "$index"; else say same "$index"; fi
}

failed() { # status
	if [ -d "$J" ] && rollback; then
		for d in $fresh; do rm -f "$V/owed/$d"; done
		say restored "$index"
	fi
	say failed "$index" "$1"
	exit 70
}

finish() { # units that came up must still be up
	[ -z "$units_changed" ] || systemctl daemon-reload
	for u in $started; do
		index=${u%%:*}
		systemctl -q is-active -- "${u#*:}" || { explain "${u#*:}"; failed 1; }
	done
	say finished
}

touch_owes() { # called before a change: what it owes is remembered until it is paid, whatever happens
	changed=1
	for d in $owes; do
		[ -e "$V/owed/$d" ] && continue
		: >"$V/owed/$d" || return
		fresh="$fresh $d"
	done
}

paid() { for d; do [ -z "$d" ] || rm -f "$V/owed/$d"; done; }

script() { printf '%s' "$1" >"$R/stage/script"; }

check() { # script
	script "$1" && as root 60 3<"$R/stage/script"
}

guard() { # user script
	script "$2" && as "$1" 60 >/dev/null 3<"$R/stage/script"
}

group_add() {
	getent group "$1" >/dev/null && return
	touch_owes && groupadd --system "$1"
}

user_put() { # name group home shell group…
	name=$1
	if ! entry=$(getent passwd "$name"); then
		touch_owes || return
		getent group "$2" >/dev/null || groupadd --system "$2" || return
		useradd --system --no-create-home --gid "$2" --home-dir "$3" --shell "$4" "$name" || return
	else
		if [ "$(id -gn "$name")" != "$2" ]; then touch_owes && usermod --gid "$2" "$name" || return; fi
		shell=${entry##*:} entry=${entry%:*}
		if [ "${entry##*:}" != "$3" ]; then touch_owes && usermod --home "$3" "$name" || return; fi
		if [ "$shell" != "$4" ]; then touch_owes && usermod --shell "$4" "$name" || return; fi
	fi
	shift 4
	for g; do
		case " $(id -Gn "$name") " in *" $g "*) continue ;; esac
		touch_owes && usermod --append --groups "$g" "$name" || return
	done
}

parents() { # path
	d=${1%/*}
	[ -z "$d" ] || [ -d "$d" ] || (umask 022; mkdir -p -- "$d")
}

owned() { # path owner group mode: whether it is so
	set -- "$1" "$2" "$3" "$4" $(stat -c '%U %u %G %g %a' -- "$1")
	{ [ "$2" = "$5" ] || [ "$2" = "$6" ]; } && { [ "$3" = "$7" ] || [ "$3" = "$8" ]; } && [ "$4" = "$9" ]
}

own() { # path owner group mode
	owned "$@" && return
	touch_owes && chown -- "$2:$3" "$1" && chmod -- "$4" "$1"
}

temporary() { # path: sets $temp, a name beside it that a later run removes
	temp=${1%/*}/.${1##*/}.siteblocks-new
	printf '%s\n' "$temp" >>"$V/temps" && rm -f -- "$temp"
}

into_place() { # path: $temp becomes it
	case $1 in /etc/systemd/*|/usr/lib/systemd/*|/usr/local/lib/systemd/*|/run/systemd/*) units_changed=1 ;; esac
	mv -fT -- "$temp" "$1"
}

no_directory() {
	[ -L "$1" ] || [ ! -d "$1" ] || { echo "there is a directory at $1"; return 1; }
}

dir_put() { # path owner group mode
	if [ -L "$1" ] || { [ -e "$1" ] && [ ! -d "$1" ]; }; then echo "there is something else at $1"; return 1; fi
	if [ ! -d "$1" ]; then
		parents "$1" && touch_owes && mkdir -- "$1" || return
	fi
	own "$@"
}

file_put() { # staged path owner group mode check
	no_directory "$2" || return
	if [ -f "$2" ] && [ ! -L "$2" ] && cmp -s -- "$1" "$2"; then
		own "$2" "$3" "$4" "$5"
		return
	fi
	chown -- "$3:$4" "$1" && chmod -- "$5" "$1" || return
	[ -z "$6" ] || check "$6" || return
	parents "$2" && touch_owes && temporary "$2" || return
	if ! ln -T -- "$1" "$temp" 2>/dev/null && ! cp -p -- "$1" "$temp" || ! into_place "$2"; then
		rm -f -- "$temp"
		return 1
	fi
}

file_access() { # path owner group mode
	[ -f "$1" ] && [ ! -L "$1" ] || { echo "$1 is not a file any more"; return 1; }
	own "$@"
}

link_put() { # path target
	[ -L "$1" ] && [ "$(readlink -- "$1")" = "$2" ] && return
	no_directory "$1" && parents "$1" && touch_owes && temporary "$1" || return
	ln -sT -- "$2" "$temp" && into_place "$1"
}

absent() { # path tree
	[ -e "$1" ] || [ -L "$1" ] || return 0
	touch_owes || return
	case $1 in /etc/systemd/*) units_changed=1 ;; esac
	if [ -L "$1" ] || [ ! -d "$1" ]; then
		rm -f -- "$1"
	elif [ -n "$2" ]; then
		rm -rf --one-file-system -- "$1"
	else
		rmdir -- "$1"
	fi
}
