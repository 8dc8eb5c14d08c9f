# Starts the slot daemon of openCryptoki with a fresh soft token in slot 0, and then the program that the arguments name,
# which finds the PIN in /run/pin. For `unshare --mount --ipc --pid`: nothing of it is seen outside, and all of it ends
# with the program.
set -eu

for folder in /run /dev/shm /var/lib/opencryptoki; do
  mount -t tmpfs tmpfs "$folder"
done
# /var/lock is /run/lock.
mkdir -p /run/lock/opencryptoki/swtok /var/lib/opencryptoki/swtok/TOK_OBJ
printf 'version opencryptoki-3.1\nslot 0\n{\nstdll = libpkcs11_sw.so\n}\n' >/run/opencryptoki.conf
mount --bind /run/opencryptoki.conf /etc/opencryptoki/opencryptoki.conf
pkcsslotd

# The PINs that a new token has (openCryptoki, "pkcsconf"), and those that it gets.
so_pin=76543210
pin=23456789
echo claviger | pkcsconf -I -c 0 -S 87654321 >/dev/null
pkcsconf -P -c 0 -S 87654321 -n "$so_pin" >/dev/null
pkcsconf -u -c 0 -S "$so_pin" -n 12345678 >/dev/null
pkcsconf -p -c 0 -U 12345678 -n "$pin" >/dev/null
(umask 077 && echo "$pin" >/run/pin)

"$@"
