#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 modparam="disable_idle_d3=1" group=bench timeout=600
#
# For how long an owner stands still, and how much of that is the device's own suspend.

load lib
load cmd
load guest_pm

@test "the pause of an owner, a deepening" {
	role=D3COLD address=$D3COLD
	bind_vfio "$address"
	vmm_start "$role"
	deepen_start --dwell=0 --rate=0 --json-lines "--state-loss-ok=$address" "$address"
	for ((i = 0; i < ${BENCH_ROUNDS:-100}; i++)); do
		vmm d3 0
		wait_state "$address" suspended D3cold
		vmm d0 0
	done
	deepen_stop >/dev/null
	for key in pause suspend beyond; do
		jq -r --arg key $key 'select(.event == "deepened" and .pause)
			| if $key == "beyond" then .pause - .suspend else .[$key] end' "$deepen_log" |
			sort -n | awk -v key=$key '{ v[NR] = $1 } END {
				printf "# %-8s ms: min %.1f, median %.1f, p95 %.1f, max %.1f (%d)\n", key,
					v[1], v[int((NR + 1) / 2)], v[int(NR * 0.95 + 0.5)], v[NR], NR }'
	done >&3
	vmm_stop
	unbind_all
}
