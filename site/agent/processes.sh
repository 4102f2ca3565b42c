running=$(systemctl list-units --plain --no-legend --state=active,activating,deactivating 'app@*.service' | sed -n 's/^app@\([0-9]*\)\.service .*/\1/p')
for port in $(printf '%s\n' "$@" $running | sort -nu); do
  echo "Port=$port"
  systemctl show -p ActiveState -p InvocationID -p NRestarts "app@$port.service"
  echo "Started=$(head -n 1 "$started/$port" 2>/dev/null | head -c 500)"
  echo
done
