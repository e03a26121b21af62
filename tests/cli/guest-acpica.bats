#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=slow
#
# guest-table: what ACPICA's compiler and interpreter make of the table.

load fixture
load cli
load guest

@test "tables for one to eight devices compile without a word, and say what they should" {
	devices=(03.0 02.4/00.0 1e.7 04.0/00.0 04.0/1f.7 05.0/00.0 06.0 1f.6/00.0)
	for n in 1 2 3 4 5 6 7 8; do
		table -o "t$n.aml" --ports=off "${devices[@]:0:n}"
		expect_code 0
		[ -z "$err" ] || fail "$err"
		iasl -d "t$n.aml" >iasl.log 2>&1
		[ "$(grep -ciE '[1-9][0-9]* (errors|warnings)' iasl.log)" = 0 ]
		[ "$(grep -c 'PowerResource (VPMR, 0x00, 0x0000)' "t$n.dsl")" -ge "$n" ]
		for device in "${devices[@]:0:n}"; do
			port=FF fn=${device#*/}
			[[ $device != */* ]] || printf -v port '%02X' $((16#${device%%.*} << 3 | ${device:3:1}))
			printf -v fn '%02X' $((16#${fn%.*} << 3 | ${fn#*.}))
			[[ $port == FF ]] && node="S$fn" || node="S$port.S$fn"
			grep -qF "If (CondRefOf (\\_SB.PCI0.$node))" "t$n.dsl" || fail "no $node in $(<"t$n.dsl")"
			# The port's own zero is written in the shortest form.
			grep -qE "_SB\.VPON \\((0x)?0*$port, (0x)?(0*$fn|Zero|One), VPEN" "t$n.dsl" ||
				grep -qE "_SB\.VPON \\(0x$port, (Zero|One), VPEN" "t$n.dsl" || fail "no call for $port $fn"
		done
	done
	# What the disassembler says is understood by the compiler again.
	# Where the caller ignores the end of children, too.
	env --ignore-signal=CHLD "$vfio_pm" guest-table -o chld.aml 03.0 || fail "with SIGCHLD ignored"
	iasl -ve -p again t8.dsl >iasl.log 2>&1 || fail "$(<iasl.log)"
}

@test "the VM's DSDT tells what has no node, and what can be hot-plugged" {
	cat >dsdt.asl <<-'ASL'
	DefinitionBlock ("", "DSDT", 1, "TEST", "TEST", 1)
	{
	    Scope (\_SB)
	    {
	        Device (PCI0)
	        {
	            Name (_HID, EisaId ("PNP0A08"))
	            Device (S18) { Name (_ADR, 0x00030000) }
	            Device (S14)
	            {
	                Name (_ADR, 0x00020004)
	                Device (S00)
	                {
	                    Name (_ADR, 0)
	                    Method (_EJ0, 1) { }
	                }
	            }
	        }
	    }
	    Scope (\_SB.PCI0)
	    {
	        Device (S28)
	        {
	            Name (_ADR, 0x00050000)
	            Device (S00) { Name (_ADR, 0) }
	        }
	        Device (S30) { Name (_ADR, 0x00060000) }
	    }
	}
	ASL
	iasl -p dsdt dsdt.asl >/dev/null 2>&1
	table -o t.aml --dsdt=dsdt.aml 03.0 05.0/00.0 06.0/00.0
	expect_code 0
	table -o t.aml --dsdt=dsdt.aml 02.4/00.0
	expect_code 4
	expect_in "$err" "cannot serve '02.4/00.0': its node \\_SB.PCI0.S14.S00 has _EJ0" "hotplug=off"
	table -o t.aml --dsdt=dsdt.aml 07.0
	expect_code 4
	expect_in "$err" "cannot serve '07.0': this machine has no node \\_SB.PCI0.S38"
	# Functions other than 0 have no node, their ports, too: made by the table below the root complex.
	table -o t.aml --dsdt=dsdt.aml 03.1 09.3/00.0
	expect_code 0
	# Longer than a read at a time, and whole.
	{ sed '$d' dsdt.asl; for ((i = 0; i < 3000; i++)); do printf '    Name (X%03X, "a string that makes this table long")\n' "$i"; done
		echo '    Scope (\_SB.PCI0) { Device (S60) { Name (_ADR, 0x000C0000) } } }'; } >long.asl
	iasl -p long long.asl >/dev/null 2>&1
	[ "$(stat -c %s long.aml)" -gt 100000 ]
	table -o t.aml --dsdt=long.aml 0c.0
	expect_code 0
	# What is none: nothing, a text, a program, half a table, another table.
	head -c 100 dsdt.aml >half.aml
	for none in /dev/null dsdt.asl "$(command -v iasl)" half.aml t.aml; do
		table -o other.aml --dsdt="$none" 03.0
		expect_code 1
		expect_in "$err" "cannot take '$none' for the VM's DSDT" "hint: a Linux guest has it"
		[[ $err != *iasl\ failed* && ! -e other.aml ]] || fail "$err"
	done
	table -o t.aml --dsdt=no 03.0
	expect_code 1
	expect_in "$err" "cannot read 'no'"
}

# The interpreter that Linux has, on this host: the UART answers nothing there.
acpi() { # COMMAND...: sets out
	local commands
	printf -v commands '%s;' "$@"
	out=$(timeout 60 acpiexec -b "${commands%;}" dsdt.aml t.aml 2>&1)
}

@test "ACPICA loads tables for one to eight devices, and serves no node that can be hot-plugged" {
	devices=(03.0 02.4/00.0 1e.7 04.0/00.0 04.0/1f.7 05.0/00.0 06.0 1f.6/00.0)
	{
		echo 'DefinitionBlock ("", "DSDT", 1, "TEST", "TEST", 1) {'
		echo 'Device (\_SB.PCI0) { Name (_HID, EisaId ("PNP0A08"))'
		for node in S18 S14 SF7 S20 S28 S30 SFE SF8; do echo "Device ($node) { Name (_ADR, 0) }"; done
		echo 'Device (S40) { Name (_ADR, 0) Method (_EJ0, 1) { } }'
		echo '} Device (\_SB.PCI0.S14.S00) { Name (_ADR, 0) }'
		echo 'Device (\_SB.PCI0.SF8.COM4) { Name (_HID, EisaId ("PNP0501")) Name (_STA, 0x0F) }'
		echo 'External (\_SB.VPTX, MethodObj) External (\_SB.VPSQ, IntObj)'
		echo 'Method (TNUM) { \_SB.VPTX (1, 0xFF, 0x18, 0) \_SB.VPSQ = 250 Local0 = 0 While (Local0 < 12) { Local1 = \_SB.VPSQ'
		echo '	\_SB.VPTX (1, 0xFF, 0x18, 0) Local0++ If (\_SB.VPSQ != ((Local1 + 1) & 0xFF)) { Return (Local1) } }'
		echo '	Return (Local0) } }'
	} >dsdt.asl
	iasl -p dsdt dsdt.asl >iasl.log 2>&1 || fail "$(<iasl.log)"
	for n in 1 2 3 4 5 6 7 8; do
		table -o t.aml "${devices[@]:0:n}" 08.0 0a.0
		[ "$n" -lt 7 ] || table -o t.aml "${devices[@]:0:n}"
		expect_code 0
		acpi namespace
		[[ $out != *"AE_"* ]] || fail "$out"
		[ "$(grep -c ' VPMR Power ' <<<"$out")" = "$n" ] || fail "$n: $out"
	done
	# Functions other than 0 have no node in QEMU, nor have ports there without ACPI hotplug: made once.
	table -o t.aml 03.1 09.3/00.0 09.3/00.1 0a.0 0a.0/00.0
	acpi namespace
	[[ $out != *"AE_"* ]] || fail "$out"
	[ "$(grep -c ' VPMR Power ' <<<"$out")" = 3 ] || fail "$out"
	[ "$(grep -cE ' VQ4B +Device ' <<<"$out")" = 1 ] || fail "$out"
	acpi 'evaluate \_SB.PCI0.VP19._ADR' 'evaluate \_SB.PCI0.VQ4B._ADR' 'evaluate \_SB.PCI0.VQ4B.VP01._ADR'
	[ "$(sed -n 's/^ *\[Integer\] = 0*\(.\)/\1/p' <<<"$out" | tr '\n' ' ')" = "30001 90003 1 " ] || fail "$out"
	table -o t.aml "${devices[@]:0:8}"
	# The sums are those of the page's example; COM4 is hidden; what wasn't answered may be asleep.
	acpi 'evaluate \_SB.VPSM 0x11 0x14 0x02 0x9c' 'evaluate \_SB.PCI0.SF8.COM4._STA' \
		'evaluate \_SB.PCI0.S18.VPMR._STA' 'evaluate \_SB.PCI0.S18.VPMR._OFF' \
		'evaluate \_SB.PCI0.S18.VPMR._STA' 'evaluate \_SB.PCI0.S18.VPMR.VPEN' \
		'evaluate \_SB.PCI0.S18.VPMR._ON' 'evaluate \_SB.PCI0.S18.VPMR._STA'
	[ "$(sed -n 's/^ *\[Integer\] = 0*\(.\)/\1/p' <<<"$out" | tr '\n' ' ')" = "C320 0 1 0 1 1 " ] || fail "$out"
	# The first question's number is drawn; each other one has the next, after 255, too.
	acpi 'evaluate \TNUM'
	[[ $out =~ "[Integer] = "0+C$'\n' ]] || fail "$out"
}
