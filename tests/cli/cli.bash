# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Running the command in a test on this machine. `load` it after `load fixture`.

root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
vfio_pm=$root/build/vfio-pm
golden=$BATS_TEST_DIRNAME/golden

fail() { printf '%s\n' "$@" >&2; return 1; }

# Sets code, out and err, whole, of the command on the fixture $FX.
vp() {
	code=0
	timeout 60 "$vfio_pm" --sysroot="$FX" "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" ||
		code=$?
	IFS= read -r -d '' out <"$BATS_TEST_TMPDIR/out" || true
	err=$(<"$BATS_TEST_TMPDIR/err")
}

expect_code() {
	[ "$code" = "$1" ] || fail "exit $code instead of $1" "$out" "$err"
}

expect_out() { # LINE...
	local want
	want=$(printf '%s\n' "$@")$'\n'
	[ $# -gt 0 ] || want=
	[ "$out" = "$want" ] || fail "wanted:" "$want" "got:" "$out" "$err"
}

expect_in() { # TEXT WORDS...: all of them are in TEXT
	local text=$1 word
	shift
	for word; do
		[[ $text == *"$word"* ]] || fail "'$word' is not in:" "$text"
	done
}

# The output is the golden file's; VFIO_PM_GOLDEN=write makes it so.
expect_golden() { # NAME
	if [ "${VFIO_PM_GOLDEN:-}" = write ]; then
		mkdir -p "$golden"
		cp "$BATS_TEST_TMPDIR/out" "$golden/$1"
	fi
	diff -u "$golden/$1" "$BATS_TEST_TMPDIR/out" >&2
}

# Not one of the files that resume a device or its port is opened by the command, and no device node.
never_wakes() { # ARGUMENT...
	local seen=$BATS_TEST_TMPDIR/strace

	traced -f -e trace=%file,%desc -o "$seen" "$vfio_pm" "$@" >/dev/null 2>&1 || true
	grep -q 'open[a-z0-9]*(.*pci' "$seen" || fail "strace saw nothing"
	if grep -E '"([^"]*/)?(config|vpd|resource[0-9]+|(current|max)_link_(speed|width))"' "$seen" ||
		grep -E 'open.*"/?dev/vfio' "$seen" || grep 'ioctl(.*VFIO' "$seen"; then
		fail "vfio-pm $*: opened what wakes a device"
	fi
}
