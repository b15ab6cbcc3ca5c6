#!/bin/sh
# Installs an unpacked release on a machine with systemd: install.sh [--root FOLDER]
# With --root nothing but that folder is touched (for packages and trials). What is in
# /etc/modelgate stays as it is.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
root=
case "${1:-}" in
  "") ;;
  --root) root=${2:?--root needs a folder} ;;
  *) echo "usage: install.sh [--root FOLDER]" >&2; exit 2 ;;
esac
if [ -z "$root" ] && [ "$(id -u)" != 0 ]; then
  echo "install.sh: root is needed (or --root FOLDER)" >&2
  exit 2
fi
cd "$here"
if [ ! -d filters ]; then
  echo "install.sh: no filters/ beside packaging/: this is no unpacked release" >&2
  exit 2
fi

put() { install -D -m "$1" "$2" "$root$3"; }

for module in filters/*.wasm; do put 644 "$module" "/usr/lib/modelgate/$module"; done
put 755 packaging/systemd/drain /usr/lib/modelgate/drain
put 644 packaging/systemd/modelgate.service /usr/lib/systemd/system/modelgate.service
put 644 packaging/systemd/modelgate.sysusers /usr/lib/sysusers.d/modelgate.conf
put 644 packaging/systemd/modelgate.tmpfiles /usr/lib/tmpfiles.d/modelgate.conf
put 644 packaging/systemd/modelgate.logrotate /etc/logrotate.d/modelgate
if [ -f bin/modelgate ]; then
  put 755 bin/modelgate /usr/bin/modelgate
  for page in share/man/man1/*.1; do put 644 "$page" "/usr/$page"; done
  put 644 share/completions/modelgate.bash /usr/share/bash-completion/completions/modelgate
  put 644 share/completions/_modelgate /usr/share/zsh/vendor-completions/_modelgate
  put 644 share/completions/modelgate.fish /usr/share/fish/vendor_completions.d/modelgate.fish
fi
for text in LICENSE NOTICE THIRD-PARTY.txt INSTALL.md UPGRADING.md CHANGELOG.md; do
  put 644 "$text" "/usr/share/doc/modelgate/$text"
done
for example in envoy/*.yaml envoy/gateways/*.yaml; do
  put 644 "$example" "/usr/share/doc/modelgate/examples/$example"
done

if [ -z "$root" ]; then
  systemd-sysusers modelgate.conf
  systemd-tmpfiles --create modelgate.conf
  systemctl daemon-reload
  if [ -f /etc/modelgate/envoy.yaml ]; then
    echo "modelgate is installed: modelgate check /etc/modelgate/envoy.yaml && systemctl restart modelgate"
  else
    echo "modelgate is installed. Write /etc/modelgate/envoy.yaml (modelgate render --for envoy), secrets into"
    echo "/etc/modelgate/environment, and start it: systemctl enable --now modelgate"
  fi
fi
