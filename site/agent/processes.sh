want=$(sed -n 's/^Environment=.*SITE_CONFIG=//p' "$unit")
running=$(systemctl list-units --plain --no-legend --state=active,activating,deactivating 'app@*.service' | sed -n 's/^app@\([0-9]*\)\.service .*/\1/p')
for port in $(printf '%s\n' "$@" $running | sort -nu); do
  state=$(systemctl is-active "app@$port.service" || true)
  pid=$(systemctl show -p MainPID --value "app@$port.service")
  release= config=
  if [ "$pid" -gt 0 ]; then
    environ=$(tr '\0' '\n' <"/proc/$pid/environ" || true)
    release=$(echo "$environ" | sed -n 's/^SITE_RELEASE=//p')
    config=$(echo "$environ" | sed -n 's/^SITE_CONFIG=//p')
  fi
  [ "$config" = "$want" ] && fresh=fresh || fresh=old
  echo "$port|$state|$release|$fresh"
done
