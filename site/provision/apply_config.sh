
# A config is changed as a whole: what is there is saved in a journal, the parts are put in place, checked, and the
# journal goes. While there is a journal the configuration is unchecked, and whoever comes next rolls it back.

config_begin() { # name path…
	rm -rf "$J.new" && mkdir -p "$J.new/root" && printf '%s\n' "$1" >"$J.new/name" || return
	shift
	for p; do
		alone "${p%/*}" || return
		printf '%s\n' "$p" >>"$J.new/paths" || return
		[ -e "$p" ] || [ -L "$p" ] || continue
		mkdir -p -- "$J.new/root${p%/*}" && cp -a -- "$p" "$J.new/root$p" || return
	done
	mv -T "$J.new" "$J"
}

alone() { # directory: what others than root can exchange after the check was never checked
	d=$1
	while [ ! -d "$d/" ]; do d=${d%/*}; done
	enter "$d" || return
	[ -z "$theirs" ] || { echo "others than root can change what is in $d: a configuration cannot be there"; return 1; }
}

config_end() { # check
	[ -z "$changed" ] || check "$1" || return
	mv -T "$J" "$J.done" && rm -rf "$J.done"
}

only() { # directory path…: nothing but these stays there
	dir=$1
	alone "$dir" || return
	shift
	for p in "$dir"/* "$dir"/.[!.]*; do
		[ -e "$p" ] || [ -L "$p" ] || continue
		for allowed; do [ "$p" != "$allowed" ] || continue 2; done
		aside "$p" || return
	done
}

aside() { # path: a link goes, anything else is kept elsewhere
	touch_owes && mkdir -p -- "$J/root${1%/*}" && cp -a -- "$1" "$J/root$1" && printf '%s\n' "$1" >>"$J/paths" || return
	if [ -L "$1" ]; then
		rm -f -- "$1"
		return
	fi
	kept=/var/backups/siteblocks$1.$(date -u +%Y%m%dT%H%M%S)
	mkdir -p -- "${kept%/*}" && rm -rf -- "$kept" && mv -T -- "$1" "$kept"
}

rollback() {
	while IFS= read -r p; do
		put_back "$p" "$J/root$p" || { echo "cannot put $p back"; return 1; }
	done <"$J/paths"
	mv -T "$J" "$J.done" && rm -rf "$J.done"
}

put_back() { # path saved
	[ -d "${1%/*}/" ] || [ -e "$2" ] || [ -L "$2" ] || return 0
	enter "${1%/*}" make || return
	name=./${1##*/}
	if [ ! -e "$2" ] && [ ! -L "$2" ]; then
		no_directory "$1" && rm -f -- "$name"
		return
	fi
	[ -L "$2" ] || [ ! -d "$2" ] || [ ! -d "$name" ] || return 0
	temporary "$1" && cp -a -- "$2" "$temp" && into_place "$1"
}

systemctl_has() { # unit property value
	[ "$(systemctl show --value -p "$2" -- "$1")" = "$3" ]
}

explain() { systemctl status --no-pager --full -n 20 -- "$1"; }

unit_put() { # unit state check reload restart
	if [ -n "$units_changed" ] || systemctl_has "$1" NeedDaemonReload yes; then
		systemctl daemon-reload || return
		units_changed= changed=1
	fi
	case $2 in
	stopped | masked) unit_down "$1" "$2"; return ;;
	running | enabled) unit_enable "$1" || return ;;
	esac
	job=
	if systemctl -q is-active -- "$1"; then
		[ ! -e "$V/owed/$4" ] || job=reload-or-restart
		[ ! -e "$V/owed/$5" ] || job=restart
	elif [ "$2" = running ]; then
		job=start
	fi
	[ -z "$job" ] || unit_job "$1" "$job" "$3"
}

unit_enable() { # unit
	if systemctl_has "$1" LoadState masked; then touch_owes && systemctl -q unmask -- "$1" || return; fi
	case $(systemctl is-enabled -- "$1" 2>/dev/null) in
	enabled | static | alias | generated | indirect | transient) ;;
	*) touch_owes && systemctl -q enable -- "$1" ;;
	esac
}

unit_job() { # unit job check
	[ -z "$3" ] || check "$3" || return
	touch_owes || return
	[ "$2" = reload-or-restart ] || systemctl reset-failed -- "$1" 2>/dev/null
	systemctl "$2" -- "$1" || { explain "$1"; return 1; }
	[ "$2" = reload-or-restart ] || sleep 0.3
	systemctl -q is-active -- "$1" || { explain "$1"; return 1; }
	started="$started $index:$1"
}

unit_down() { # unit state
	case $(systemctl is-active -- "$1") in
	active | activating | reloading) touch_owes && systemctl stop -- "$1" || return ;;
	esac
	if [ "$2" = masked ]; then
		systemctl_has "$1" LoadState masked || { touch_owes && systemctl -q mask -- "$1"; }
		return
	fi
	case $(systemctl is-enabled -- "$1" 2>/dev/null) in
	enabled | enabled-runtime) touch_owes && systemctl -q disable -- "$1" ;;
	esac
}

command_run() { # stdin debt user seconds unless onlyif script
	[ -z "$2" ] || [ -e "$V/owed/$2" ] || return 0
	[ -z "$6" ] || guard "$3" "$6" || return 0
	if [ -n "$5" ] && guard "$3" "$5"; then
		paid "$2"
		return
	fi
	touch_owes && script "$7" && as "$3" "$4" <"$1" 3<"$R/stage/script" || return
	if [ -n "$5" ]; then
		script "$5" && as "$3" 60 3<"$R/stage/script" || { echo "it ran, and Unless still says that it is to run"; return 1; }
	fi
	paid "$2"
}
