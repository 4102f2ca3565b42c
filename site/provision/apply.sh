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
			case $p in /*.siteblocks-new) ! enter "${p%/*}" || rm -f -- "./${p##*/}" ;; esac
		done <"$V/temps"
	fi
	unseal
	rm -rf "$V/temps" "$V/stage" "$R/stage" "$J.new" "$J.done" "$V/generation.new"
}

run() { # number function
	index=$1 changed= fresh=
	say begin "$index"
	cd / && "$2" </dev/null || failed "$?"
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

# Root changes what is in a directory from within, by a name without a slash: whoever may write to a directory above can
# exchange a part of the path for a link at any instant, but can move nothing under root's feet.

enter() { # directory, "make": goes there; $theirs is set where others than root can change what is in it
	theirs=
	if roots_own "$1"; then cd -P -- "$1/"; else walk "$@"; fi
}

roots_own() { # directory: whether it and all above are root's alone, and no links
	way=${1%/}
	set -- /
	while [ -n "$way" ]; do
		set -- "$@" "$way"
		way=${way%/*}
	done
	seen=$(find "$@" -prune -type d -uid 0 ! -perm /022 -printf . 2>/dev/null)
	[ "${#seen}" = "$#" ]
}

walk() { # directory, "make": as enter; follows only those links that nobody but root can have made
	cd / || return
	rest=${1#/} links=0
	mine || theirs=1
	while [ -n "$rest" ]; do
		part=${rest%%/*}
		case $rest in */*) rest=${rest#*/} ;; *) rest= ;; esac
		case $part in
		'' | .) ;;
		..) [ -z "$theirs" ] && cd -P .. || { strange "$1"; return; } ;;
		*)
			if [ -L "./$part" ]; then
				links=$((links + 1))
				[ -z "$theirs" ] && [ "$links" -le 40 ] || { strange "$1"; return; }
				target=$(readlink -- "./$part") || return
				case $target in /*) cd / ;; esac
				rest=$target/$rest
				continue
			fi
			if [ -n "$2" ] && [ ! -e "./$part" ]; then (umask 022; mkdir -- "./$part") || return; fi
			below "$part" || { strange "$1"; return; }
			;;
		esac
	done
}

below() { # name: goes into this directory, which is no link
	above=$(/bin/pwd -P) && cd -P -- "./$1" 2>/dev/null && [ "$(/bin/pwd -P)" = "${above%/}/$1" ] || return
	mine || theirs=1
}

mine() { [ -n "$(find . -prune -uid 0 ! -perm /022 -printf .)" ]; }

strange() { # directory
	echo "$1 is not reached by directories alone: links are followed only where nobody but root can make them"
	return 1
}

owned() { # path owner group mode: whether it is so
	set -- "$1" "$2" "$3" "$4" $(stat -c '%U %u %G %g %a' -- "$1")
	{ [ "$2" = "$5" ] || [ "$2" = "$6" ]; } && { [ "$3" = "$7" ] || [ "$3" = "$8" ]; } && [ "$4" = "$9" ]
}

own() { # path owner group mode
	owned "$@" && return
	# A directory keeps set-ID bits that are to go unless the mode has five digits.
	touch_owes && chown -h -- "$2:$3" "$1" && chmod -- "0000$4" "$1" || return
	owned "$@" || { echo "owner and mode did not come to be $2:$3 $4"; return 1; }
}

temporary() { # path whose directory was entered: sets $temp, a name beside it that a later run removes
	temp=./.${1##*/}.siteblocks-new
	printf '%s\n' "${1%/*}/${temp#./}" >>"$V/temps" && rm -f -- "$temp"
}

into_place() { # path whose directory was entered: $temp becomes it
	case $1 in /etc/systemd/*|/usr/lib/systemd/*|/usr/local/lib/systemd/*|/run/systemd/*) units_changed=1 ;; esac
	mv -fT -- "$temp" "./${1##*/}"
}

no_directory() { # path whose directory was entered
	[ -L "./${1##*/}" ] || [ ! -d "./${1##*/}" ] || { echo "there is a directory at $1"; return 1; }
}

dir_put() { # path owner group mode
	enter "${1%/*}" make || return
	name=./${1##*/}
	if [ -L "$name" ] || { [ -e "$name" ] && [ ! -d "$name" ]; }; then echo "there is something else at $1"; return 1; fi
	if [ ! -d "$name" ]; then
		touch_owes && mkdir -- "$name" || return
	fi
	below "${1##*/}" || { strange "$1"; return; }
	own . "$2" "$3" "$4"
}

file_put() { # staged path owner group mode check
	name=./${2##*/}
	if [ -d "${2%/*}/" ]; then
		enter "${2%/*}" && no_directory "$2" || return
		if [ -f "$name" ] && [ ! -L "$name" ] && timeout 600 cmp -s -- "$1" "$name"; then
			! owned "$name" "$3" "$4" "$5" || return 0
			# Others may have linked somebody else's file there: it is replaced, never given away.
			[ -n "$theirs" ] || { own "$name" "$3" "$4" "$5"; return; }
		fi
	fi
	chown -- "$3:$4" "$1" && chmod -- "$5" "$1" || return
	[ -z "$6" ] || check "$6" || return
	enter "${2%/*}" make && touch_owes && file_place "$1" "$2"
}

file_place() { # staged path
	temporary "$2" || return
	if ! ln -T -- "$1" "$temp" 2>/dev/null && ! cp -pT --remove-destination -- "$1" "$temp" || ! into_place "$2"; then
		rm -f -- "$temp"
		return 1
	fi
}

file_access() { # path owner group mode sum
	enter "${1%/*}" || return
	name=./${1##*/} copy=$V/stage/copy
	[ -f "$name" ] && [ ! -L "$name" ] || { echo "$1 is not a file any more"; return 1; }
	! owned "$name" "$2" "$3" "$4" || return 0
	[ -n "$theirs" ] || { own "$name" "$2" "$3" "$4"; return; }
	# As in file_put. Only a copy that root alone can reach is still what it was when its sum was taken.
	mkdir -p "$V/stage" && timeout 600 cp -PT --remove-destination -- "$name" "$copy" || return
	[ -f "$copy" ] && [ ! -L "$copy" ] && printf '%s  %s\n' "$5" "$copy" | sha256sum -c --status || { echo "$1 has changed"; return 1; }
	chown -- "$2:$3" "$copy" && chmod -- "$4" "$copy" && touch_owes && file_place "$copy" "$1"
}

link_put() { # path target
	if [ -d "${1%/*}/" ]; then
		enter "${1%/*}" || return
		[ ! -L "./${1##*/}" ] || [ "$(readlink -- "./${1##*/}")" != "$2" ] || return 0
	fi
	enter "${1%/*}" make && no_directory "$1" && touch_owes && temporary "$1" || return
	ln -sT -- "$2" "$temp" && into_place "$1"
}

absent() { # path tree
	[ -e "$1" ] || [ -L "$1" ] || return 0
	enter "${1%/*}" && touch_owes || return
	case $1 in /etc/systemd/*) units_changed=1 ;; esac
	name=./${1##*/}
	if [ -L "$name" ] || [ ! -d "$name" ]; then
		rm -f -- "$name"
	elif [ -n "$2" ]; then
		rm -rf --one-file-system -- "$name"
	else
		rmdir -- "$name"
	fi
}
